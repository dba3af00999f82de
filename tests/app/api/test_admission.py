"""A full queue refuses by the headers alone; refusals that come too fast are held back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.api.pace import Pace
from app.choices import AUTO, BOTH, NATIVE
from app.lanes.door import Door
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
JPEG, FORM, JSON = "image/jpeg", "multipart/form-data; boundary=x", "application/json"


@pytest.fixture
async def full(start: Start) -> AsyncIterator[Api]:
    """Native's queue is full; the copy's is empty."""
    api = await start(queue_limit=2, copies=("frozen",), startup_conversion="off")
    await api.ready()
    api.native.open_gate.clear()
    waiting = [asyncio.create_task(api.detect(PHOTO, backend="native")) for _ in range(4)]
    await api.until_metric("detector_queue_depth", 2, backend="native")
    yield api
    api.native.open_gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 4


@pytest.mark.parametrize(
    ("query", "kind", "length", "connection"),
    [
        ({}, JPEG, 100, None),
        ({"backend": "native"}, JPEG, 300_000, "close"),
        ({"backend": "both"}, JSON, 100, None),
        ({"b%61ckend": "magic", "backend": "native"}, FORM, 100, None),
        ({}, FORM, 100, None),  # it may name a backend, but none has room
        ({}, JPEG, None, "close"),
    ],
)
async def test_a_full_queue_refuses_before_the_body_is_read(
    query: dict[str, str], kind: str, length: int | None, connection: str | None, full: Api
) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"x"

    headers = {"Content-Type": kind, **({"Content-Length": str(length)} if length else {})}
    response = await full.client.post("/detect", params=query, content=body(), headers=headers)
    sentence = "2 pictures are waiting already; the limit is 2"
    assert assert_is_error(response, 429, "overloaded") == sentence
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert (response.headers.get("Connection"), read) == (connection, 0)
    labels = {"route": "/detect", "code": "429", "backend": query.get("backend", "none")}
    assert await full.metric("detector_request_duration_seconds_count", **labels) == 1
    assert await full.metric("detector_images_total", result="overloaded", backend="native") == 1


@pytest.mark.parametrize(("backend", "status"), [("magic", 422), ("trt", 503)])
async def test_what_would_not_come_to_the_full_queue_is_answered_as_ever(backend: str, status: int, full: Api) -> None:
    assert (await full.detect(PHOTO, backend=backend)).status_code == status


async def test_a_form_is_refused_only_where_no_backend_has_room(full: Api) -> None:
    routing = full.parts.routing
    assert [routing.full(each) is routing.lanes[NATIVE] for each in (AUTO, BOTH, NATIVE, None)] == [True] * 4
    await routing.lanes["frozen"].slot.open(Door(replace(full.parts.served.spec, name="frozen")))
    assert (routing.full(None), routing.full("frozen")) == (None, None)


async def test_what_is_refused_further_in_is_held_back_too(full: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another backend has room, and only the form says that it is not meant."""
    await full.parts.routing.lanes["frozen"].slot.open(Door(replace(full.parts.served.spec, name="frozen")))
    held: list[float] = []

    def begin(_: Pace, answers: float) -> float:
        held.append(answers)
        return 0.0

    monkeypatch.setattr(Pace, "begin", begin)
    for backend, status in ((NATIVE, 429), ("frozen", 200)):
        response = await full.client.post("/detect", files={"image": PHOTO}, data={"backend": backend})
        assert response.status_code == status
    assert held == [full.parts.routing.rate(None)]


def test_refusals_are_held_back_beyond_three_times_the_answers_but_for_a_second_at_most() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    held = [pace.begin(answers=100) for _ in range(500)]
    assert held[:75] == [0.0] * 75  # a quarter of a second of 300 a second
    assert sorted(set(held)) == [0.0, 0.25, 0.5, 0.75, 1.0]  # they leave in groups
    assert held[-1] == max(held) == 1.0
    for _ in held:
        pace.end()
    now += 2
    for _ in range(3000):  # an open loop of three times the capacity: two refusals an answer
        now += 1 / 200
        assert pace.begin(answers=100) == 0.0
        pace.end()


def test_no_more_than_a_thousand_are_held_back() -> None:
    pace = Pace(lambda: 0.0)
    held = [pace.begin(answers=0) for _ in range(1001)]
    assert held[-2:] == [1.0, 0.0]


@pytest.mark.parametrize(("headers", "status"), [({"Inference-Header-Content-Length": "2"}, 400), ({}, 429)])
async def test_json_before_tensors_may_name_a_backend_too(headers: dict[str, str], status: int, full: Api) -> None:
    """Another backend has room, and a body that is read is refused for what it lacks."""
    spec = replace(full.parts.served.spec, name="frozen")
    await full.parts.routing.lanes["frozen"].slot.open(Door(spec))
    response = await full.client.post("/v2/models/street_signs/infer", content=b"{}", headers=headers)
    assert response.status_code == status, response.text
