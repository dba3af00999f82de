from collections.abc import AsyncIterator

import pytest

from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
LIMIT = 10_000
# All that read a body, and a good body for each.
ROUTES = {"/detect": PHOTO, "/convert": b'{"target": "frozen"}', "/admin/reload": b'{"backend": "frozen"}'}


@pytest.fixture
async def api(start: Start) -> Api:
    running = await start(max_body_bytes=LIMIT, admin_token="secret")
    await running.ready()
    running.client.headers["Authorization"] = "Bearer secret"
    return running


class Chunks:
    """A body that comes in pieces without a length; knows how much of it was taken."""

    def __init__(self, size: int, piece: int = 1000) -> None:
        self.left, self.piece, self.taken = size, piece, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < self.left:
            self.taken += self.piece
            yield b"x" * self.piece


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("length", [str(LIMIT + 1), "100000000000", "9" * 30, "0" * 5000 + "5"])
async def test_a_length_over_the_limit_is_refused_before_the_body_is_read(path: str, length: str, api: Api) -> None:
    body = Chunks(5000)
    response = await api.client.post(path, content=body, headers={"Content-Length": length})
    assert "10,000 bytes" in assert_is_error(response, 413, "body_too_large")
    assert response.headers["Connection"] == "close"
    assert body.taken == 0
    assert await api.metric("detector_request_duration_seconds_count", route=path, code="413") == 1


@pytest.mark.parametrize("path", ROUTES)
async def test_a_body_without_length_is_refused_once_it_is_over_the_limit(path: str, api: Api) -> None:
    body = Chunks(1_000_000)
    headers = {"Content-Type": "application/json"}
    response = await api.client.post(path, content=body, headers=headers)
    assert "10,000 bytes" in assert_is_error(response, 413, "body_too_large")
    assert response.headers["Connection"] == "close"
    assert body.taken == LIMIT + 1000
    assert not api.native.batches
    assert await api.metric("detector_request_duration_seconds_count", route=path, code="413") == 1


async def test_a_body_that_lies_about_its_length_is_counted_as_it_is(api: Api) -> None:
    response = await api.client.post("/detect", content=Chunks(20_000), headers={"Content-Length": "5"})
    assert_is_error(response, 413, "body_too_large")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_body_as_large_as_the_limit_passes(chunked: bool, api: Api) -> None:
    body = PHOTO + b"x" * (LIMIT - len(PHOTO))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, LIMIT, 1000):
            yield body[at : at + 1000]

    response = await api.client.post("/detect", content=pieces() if chunked else body)
    assert response.status_code == 200


async def test_a_request_that_was_refused_leaves_nothing_behind(api: Api) -> None:
    for _ in range(3):
        await api.client.post("/detect", content=Chunks(50_000))
    assert (await api.detect(PHOTO)).status_code == 200
    assert await api.metric("detector_queue_depth") == 0


async def test_a_body_of_options_is_small_whatever_pictures_may_be(start: Start) -> None:
    api = await start(max_body_bytes=1_000_000, admin_token="secret")
    response = await api.client.post("/convert", content=b" " * 64_001, headers={"Authorization": "Bearer secret"})
    assert "64,000 bytes" in assert_is_error(response, 413, "body_too_large")
