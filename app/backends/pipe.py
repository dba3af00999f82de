"""The server's end of a worker's socket: whole messages out, and in as they come."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from pydantic_core import from_json

from app.backends import wire


class Pipe(asyncio.Protocol):
    """Hands each message to `receive`. If one can't be understood, `garbled` is called: none after it is trusted."""

    def __init__(self, receive: Callable[[dict[str, Any], bytes], None], *, garbled: Callable[[], None]) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._receive, self._garbled = receive, garbled
        self._rest = b""  # of a message that is not complete
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Both ends are there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The next bytes, of one message or of several."""
        data = self._rest + data if self._rest else data
        try:
            self._rest = self._pass_on(data)
        except (ValueError, KeyError):
            self.close()
            self._garbled()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker has closed its end, or the server this one."""
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, pieces: list[bytes | memoryview]) -> None:
        """Send a message. What the worker does not take waits here: never more than the batches in flight."""
        if self._transport is not None:
            self._transport.writelines(pieces)

    def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _pass_on(self, data: bytes) -> bytes:
        """Hand over the messages that are complete; what is left."""
        at, start = 0, wire.PREFIX.size
        while len(data) >= at + start:
            head, size = wire.PREFIX.unpack_from(data, at)
            body = at + start + head
            if len(data) < body + size:
                break
            self._receive(from_json(data[at + start : body]), data[body : body + size])
            at = body + size
        return data[at:]
