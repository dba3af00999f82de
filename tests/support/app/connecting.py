"""uvicorn with our protocol on a loopback socket, over a tiny app."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request

from app.api.departures import unless_gone
from app.api.exchange import ANSWER
from app.connections.connections import Connections
from app.connections.limits import Limits
from app.metrics import Metrics
from tests.support.fakes import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
USUAL = Limits(connections=10, body_bytes=50_000_000, seconds=10, keep_alive_s=75, linger_bytes=32_000_000)
SHORT = {"seconds": 0.05, "keep_alive_s": 0.1, "linger_s": 0.05, "check_s": 0.01}


async def tiny(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; under /early without having read it; under /never not at all.

    Under /wait it answers when the client has left; under /work it works for the client until then. Under /pieces it
    answers with the number of pieces that the body came in, under /whole in one message.
    """
    read, more = 0, scope["path"] in ("/", "/pieces")
    if scope["path"] == "/work":
        await unless_gone(Request(scope, receive), asyncio.Event().wait())
    while scope["path"] == "/wait" and (await receive())["type"] != "http.disconnect":
        pass
    while more:
        message = await receive()
        piece, more = message.get("body", b""), message.get("more_body", False)
        read += 1 if scope["path"] == "/pieces" else len(piece)
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    body = b"%d" % read
    head = {"status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    if scope["path"] == "/whole":
        await send({"type": ANSWER, **head, "body": body})
        return
    await send({"type": "http.response.start", **head})
    await send({"type": "http.response.body", "body": body})


class Client:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, *pieces: bytes) -> tuple[int, bytes]:
        """The status and the body that come after these bytes."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """What comes until the server closes; the server must not reset the connection."""
        async with asyncio.timeout(10):
            return await self.reader.read()


class Served:
    """The server's side, and how clients reach it."""

    def __init__(self, stack: AsyncExitStack, port: int, connections: Connections, metrics: Metrics) -> None:
        self._stack, self._port, self.connections, self._metrics = stack, port, connections, metrics

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._stack.callback(writer.close)
        return Client(reader, writer)

    async def open(self, number: int) -> list[Any]:
        """The connections, when there are so many."""
        await until(lambda: len(self.connections.all()) == number)
        return self.connections.all()

    def cut(self, reason: str) -> float | None:
        """How many connections were cut for this reason."""
        return self._metrics.registry.get_sample_value("detector_connections_cut_total", {"reason": reason})

    def observed(self, status: int) -> float | None:
        """How many requests that the app began with were answered so."""
        labels = {"route": "unmatched", "backend": "none", "code": str(status)}
        return self._metrics.registry.get_sample_value("detector_request_duration_seconds_count", labels)


Serve = Callable[..., Awaitable[Served]]
