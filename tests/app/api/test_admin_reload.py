"""A copy is loaded again from its folder on an admin's word."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.app.api.conftest import Admin, assert_is_error
from tests.support.app.copying import PLAIN, Copying
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def copied(admin: Admin, saved_model: Path) -> Admin:
    """A frozen copy lies there and serves."""
    Copying(saved_model, PLAIN, wanted=(), convert=False).put("frozen")
    assert (await admin.post("/admin/reload", backend="frozen")).status_code == 200
    return admin


async def test_a_copy_is_swapped_for_the_one_in_its_folder(copied: Admin) -> None:
    old = copied.api.starter.started[-1]
    response = await copied.post("/admin/reload", backend="frozen")
    assert response.status_code == 200
    assert response.json() == await copied.model("frozen")
    assert response.json()["state"] == "standby"
    await until(lambda: old.closed)
    assert not copied.api.starter.started[-1].closed


async def test_a_damaged_copy_is_409_and_the_old_one_serves_on(copied: Admin, saved_model: Path) -> None:
    (saved_model / "1_frozen" / "saved_model.pb").write_bytes(b"cut o")
    before = await copied.model("frozen")
    sentence = assert_is_error(await copied.post("/admin/reload", backend="frozen"), 409, "not_loaded")
    assert sentence == (
        "the frozen copy can't be loaded: 1_frozen is damaged: saved_model.pb is not the file that was written; "
        "what served before goes on serving"
    )
    assert await copied.model("frozen") == before
    assert not copied.api.starter.started[-1].closed


async def test_a_copy_that_was_removed_is_409(copied: Admin, saved_model: Path) -> None:
    shutil.rmtree(saved_model / "1_frozen")
    sentence = assert_is_error(await copied.post("/admin/reload", backend="frozen"), 409, "not_loaded")
    assert sentence == "there is no frozen copy at 1_frozen"
    assert (await copied.model("frozen"))["state"] == "standby"


async def test_a_copy_that_can_not_be_here_is_409(admin: Admin, saved_model: Path) -> None:
    (saved_model / "1_trt").mkdir()
    (saved_model / "1_trt" / "saved_model.pb").write_bytes(b"a graph")
    sentence = assert_is_error(await admin.post("/admin/reload", backend="trt"), 409, "not_loaded")
    assert sentence == (
        "the trt copy can't be loaded: 1_trt: its graph has no TensorRT engine: TF-TRT converted nothing; "
        "nothing serves in its place"
    )


@pytest.mark.parametrize("backend", ["auto", "tflite", ""])
async def test_what_is_no_copy_can_not_be_loaded(backend: str, admin: Admin) -> None:
    sentence = assert_is_error(await admin.post("/admin/reload", backend=backend), 422, "bad_parameter")
    assert sentence == "backend: Input should be 'native', 'trt', 'frozen' or 'onnx'"


async def test_the_end_of_the_server_does_not_wait_for_it(copied: Admin) -> None:
    """Its gate may take minutes."""
    starter, before = copied.api.starter, copied.api.starter.started[-1]
    starter.open_gate.clear()
    reloading = asyncio.create_task(copied.post("/admin/reload", backend="frozen"))
    await until(lambda: starter.asked[-1].name == "frozen" and len(starter.asked) > len(starter.started))
    copied.api.parts.health.ending.set()
    sentence = assert_is_error(await reloading, 503, "backend_unavailable")
    assert sentence == "the server is stopping, and has given up what was asked for"
    assert not before.closed
