"""What a copy can't decode as native does, and what it runs elsewhere than was asked for, on the wire."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed
from tests.app.api.conftest import Start, assert_is_error
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared
from tests.support.app.comparing import verdict
from tests.support.fakes import FACTS, FakeStarter

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
SENTENCE = "4 of 20 nodes run on the CPU, not on CUDA"


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    async with compared(saved_model, shadow_share=0) as running:
        await running.load(onnx=verdict("passed"))
        running.backend("onnx").fails = lambda images: BatchFailed("unlike", "of a rare kind")
        yield running


async def test_native_answers_what_the_copy_leaves_to_it(server: Compared) -> None:
    response = await server.detect(PHOTO)
    assert (response.status_code, response.headers["X-Backend"]) == (200, "native")
    assert response.json()["backend"] == "native"


async def test_a_copy_that_was_asked_for_by_name_says_why_not(server: Compared) -> None:
    sentence = assert_is_error(await server.detect(PHOTO, backend="onnx"), 422, "not_alike")
    assert sentence == "this copy can't decode the JPEG file as native does: of a rare kind"


async def test_what_runs_elsewhere_is_told_and_counted(start: Start) -> None:
    facts = replace(FACTS, providers={"CUDA": 16, "CPU": 4}, fallback=SENTENCE, fallback_reason="some_elsewhere")
    api = await start(FakeStarter(facts=facts))
    await api.ready()
    told = (await api.client.get("/model")).json()["backends"]["native"]
    assert (told["providers"], told["fallback"]) == ({"CUDA": 16, "CPU": 4}, SENTENCE)
    assert await api.metric("detector_native_fallback_total", backend="native", reason="some_elsewhere") == 1
