from typing import Any

import pytest

from app.backends import wire
from app.backends.pipe import Pipe

pytestmark = pytest.mark.anyio

SENT = [({"id": number}, bytes(number)) for number in range(5)]
STREAM = b"".join(piece for header, payload in SENT for piece in wire.frame(header, [payload]))


@pytest.mark.parametrize("size_bytes", [1, 7, 20, len(STREAM)])
async def test_messages_come_whole_however_the_bytes_come(size_bytes: int) -> None:
    came: list[tuple[dict[str, Any], bytes]] = []
    pipe = Pipe(lambda header, payload: came.append((header, payload)), garbled=lambda: pytest.fail("it is none"))
    for at in range(0, len(STREAM), size_bytes):
        pipe.data_received(STREAM[at : at + size_bytes])
    assert came == SENT


async def test_what_is_behind_a_message_that_is_none_is_not_read() -> None:
    came: list[dict[str, Any]] = []
    told: list[str] = []
    pipe = Pipe(lambda header, _: came.append(header), garbled=lambda: told.append("garbled"))
    pipe.data_received(bytes(wire.PREFIX.size) + STREAM)
    assert (came, told) == ([], ["garbled"])
