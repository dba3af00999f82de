"""What a body that is unpacked holds in memory."""

import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from app.api.packed import LIMIT, Packed

pytestmark = pytest.mark.anyio

SIZE_BYTES = 16_000_000


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_what_is_unpacked_is_in_memory_once(traced: None) -> None:
    held: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        held.append(tracemalloc.get_traced_memory()[0] - before)
        assert len(message["body"]) == SIZE_BYTES

    async def receive() -> Any:
        return {"type": "http.request", "body": packed}

    async def send(message: Any) -> None:
        raise AssertionError(message)  # nothing is refused

    packed = gzip.compress(bytes(SIZE_BYTES), 1)
    scope = {"type": "http", "headers": [(b"content-encoding", b"gzip")], "state": {LIMIT: SIZE_BYTES}}
    before = tracemalloc.get_traced_memory()[0]
    await Packed(app, most_bytes=SIZE_BYTES)(scope, receive, send)
    assert held[0] < 1.5 * SIZE_BYTES
