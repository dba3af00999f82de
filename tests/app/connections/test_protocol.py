"""uvicorn with our protocol on a loopback socket, over a tiny app: what clients may send, how slowly, and how many."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.connections.connections import Connections
from app.connections.limits import Limits, backlog_by, connections_by
from app.connections.protocol import BoundedProtocol
from app.connections.reading import Reading
from app.connections.transport import PoliteTransport
from app.metrics import Metrics
from app.settings import Settings

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
USUAL = Limits(connections=10, body_bytes=50_000_000, seconds=10, keep_alive_s=75, linger_bytes=32_000_000)
SHORT = {"seconds": 0.05, "keep_alive_s": 0.1, "linger_s": 0.05, "check_s": 0.01}
BIG = b"a" * 100_000


async def tiny(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; under /early without having read it; under /never not at all.

    Under /wait it answers when the client has left.
    """
    read, more = 0, scope["path"] == "/"
    while scope["path"] == "/wait" and (await receive())["type"] != "http.disconnect":
        pass
    while more:
        message = await receive()
        read, more = read + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    body = b"%d" % read
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
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

    def cut(self, reason: str) -> float | None:
        """How many connections were cut for this reason."""
        return self._metrics.registry.get_sample_value("detector_connections_cut_total", {"reason": reason})


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def serve(**limits: Any) -> Served:
            metrics = Metrics()
            connections = Connections(replace(USUAL, **limits), metrics)
            config = uvicorn.Config(tiny, lifespan="off", log_config=None, ws="none", timeout_keep_alive=60)
            config.load()
            state = ServerState()

            def protocol() -> BoundedProtocol:
                return BoundedProtocol(connections, config=config, server_state=state, app_state={})

            server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
            served = Served(stack, server.sockets[0].getsockname()[1], connections, metrics)

            async def end() -> None:
                server.close()
                for connection in connections.all():
                    connection.abort()
                await until_open(served, 0)
                for task in state.tasks:
                    task.cancel()

            stack.push_async_callback(end)
            return served

        yield serve


@pytest.mark.parametrize(
    ("pieces", "status", "code"),
    [
        pytest.param([POST + b"X: " + BIG + b"\r\n\r\n"], 431, "headers_too_large", id="a header"),
        pytest.param([POST + b"X: ", *[BIG] * 20], 431, "headers_too_large", id="an endless one"),
        pytest.param([POST, *[b"X: y\r\n" * 1000] * 20], 431, "headers_too_large", id="many"),
        pytest.param([b"GET /", *[BIG] * 20], 431, "headers_too_large", id="URL"),
        pytest.param([CHUNKED + b"0\r\n", *[b"X: y\r\n" * 1000] * 20], 431, "headers_too_large", id="trailers"),
        pytest.param([CHUNKED + b"0\r\nX: ", *[BIG] * 20], 400, "bad_request", id="an endless trailer"),
        pytest.param([CHUNKED + b"5;", *[BIG] * 20], 400, "bad_request", id="an extension"),
        pytest.param([CHUNKED, *[b"1\r\na\r\n" * 20_000] * 20], 400, "bad_request", id="chunks of a byte"),
        pytest.param([CHUNKED, *[b"50\r\n" + b"a" * 80 + b"\r\n"] * 9000], 400, "bad_request", id="chunks of 80 bytes"),
        pytest.param([CHUNKED + b"ZZ\r\n"], 400, "bad_request", id="a chunk's size"),
        pytest.param([b"\x16\x03\x01\x02\x00\x01"], 400, "bad_request", id="TLS"),
        pytest.param([b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"], 400, "bad_request", id="CONNECT"),
        pytest.param([POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"], 400, "bad_request", id="a length"),
    ],
)
async def test_what_is_too_much_or_no_http_is_refused_and_none_of_it_kept(
    pieces: list[bytes], status: int, code: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve()
    client = await served.client()
    answer, body = await client.ask(*pieces)
    assert answer == status
    assert json.loads(body).keys() == {"error", "code", "request_id"}
    assert json.loads(body)["code"] == code
    assert await client.rest() == b""
    assert (await (await served.client()).ask(GET)) == (200, b"0")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", 0), (b"\r\n" * 9, 0), (GET[:-2], 408), (CHUNKED + b"5\r\nab", 408), (EARLY % 9, 200), (GET, 200)],
    ids=["nothing", "empty lines", "half a head", "half a body", "a body that nobody wants", "idle after an answer"],
)
async def test_what_does_not_come_in_time_is_closed(sent: bytes, status: int, serve: Serve) -> None:
    served = await serve(**SHORT)
    client = await served.client()
    client.writer.write(sent)
    answer = await client.rest()
    assert answer[:12] == (b"HTTP/1.1 %d" % status if status else b"")
    assert served.cut("slow") == (None if sent == GET or not status else 1)


async def test_a_client_that_does_not_read_its_answer_is_closed(serve: Serve) -> None:
    served = await serve(**SHORT)
    client = await served.client()
    (connection,) = await until_open(served, 1)
    connection.transport.write(b"a" * 50_000_000)  # an answer larger than any buffer
    await until_open(served, 0)
    assert len(await client.reader.read(1000)) > 0
    assert served.cut("slow") == 1


class Written:
    """A transport, as far as its bytes are counted: 1 MB was written, and the client takes what `take` says."""

    unsent = 1_000_000

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def taken_bytes(self) -> int:
        return 1_000_000 - self.unsent


@pytest.mark.parametrize(("rate", "late_at"), [(0, 11), (1000, 11), (10_000, 21), (20_000, None), (900_000, None)])
def test_an_answer_is_read_at_the_rate_of_a_body_beyond_a_pause(rate: int, late_at: int | None) -> None:
    written = Written()
    reading = Reading(cast(PoliteTransport, written), USUAL)
    late = []
    for now in range(100):
        late += [now] * reading.is_late(now)
        written.unsent = max(0, written.unsent - rate)
    assert (late[0] if late else None) == late_at


async def until_open(served: Served, number: int) -> list[Any]:
    async with asyncio.timeout(10):
        while len(found := served.connections.all()) != number:  # noqa: ASYNC110  # nothing signals it
            await asyncio.sleep(0.001)
    return found


async def test_a_new_connection_takes_the_place_of_the_idlest_but_of_none_that_is_answered(serve: Serve) -> None:
    served = await serve(connections=3)
    answering, idle, silent = [await served.client() for _ in range(3)]
    answering.writer.write(GET.replace(b"/ ", b"/never "))
    assert await idle.ask(GET) == (200, b"0")
    assert await (await served.client()).ask(GET) == (200, b"0")
    assert await silent.rest() == b""
    assert await (await served.client()).ask(GET) == (200, b"0")
    assert await idle.rest() == b""
    assert served.cut("crowded") == 2
    assert not answering.reader.at_eof()


async def test_of_too_many_bytes_the_slowest_body_is_refused_and_small_ones_pass(serve: Serve) -> None:
    served = await serve(body_bytes=200_000, small_bytes=20_000)
    stalled, large, small = [await served.client() for _ in range(3)]
    stalled.writer.write(POST + b"Content-Length: 150001\r\n\r\n" + b"a" * 150_000)
    await until_held(served, 150_000)
    assert await small.ask(POST + b"Content-Length: 9999\r\n\r\n" + b"a" * 9999) == (200, b"9999")
    assert await large.ask(POST + b"Content-Length: 190000\r\n\r\n" + b"a" * 190_000) == (200, b"190000")
    status, body = await stalled.ask()
    assert (status, json.loads(body)["code"]) == (429, "overloaded")
    await until_held(served, 0)
    assert served.cut("bodies") == 1


async def until_held(served: Served, size: int) -> None:
    async with asyncio.timeout(10):
        while served.connections.held != size:  # noqa: ASYNC110  # nothing signals it
            await asyncio.sleep(0.001)


async def test_a_client_that_is_answered_early_can_send_all_and_is_never_reset(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    for _ in range(2):  # the connection is kept
        assert await client.ask(EARLY % 100_000, BIG) == (200, b"0")
    large = EARLY.replace(b"Host", b"Connection: close\r\nHost") % 20_000_000
    assert await client.ask(large, *[BIG] * 200) == (200, b"0")
    assert await client.rest() == b""


async def test_what_comes_behind_a_request_and_is_no_http_does_not_cost_its_answer(serve: Serve) -> None:
    client = await (await serve()).client()
    assert await client.ask(GET + b"\x00\x00" * 9) == (200, b"0")
    assert await client.rest() == b""


async def test_requests_in_one_packet_are_answered_in_turn_and_trailers_are_no_headers(serve: Serve) -> None:
    client = await (await serve()).client()
    assert await client.ask(CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n" + GET) == (200, b"5")
    assert await client.ask() == (200, b"0")


async def test_of_many_requests_in_one_packet_some_are_answered_and_the_rest_is_not_read(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    client.writer.write(GET * 5000)
    assert (await client.rest()).count(b"HTTP/1.1 200") == 1 + USUAL.queued_requests
    assert served.cut("pipelined") == 1


async def test_who_leaves_has_no_request_worked_off(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    client.writer.write(GET.replace(b"/ ", b"/wait ") + GET * 9)
    (connection,) = await until_open(served, 1)
    async with asyncio.timeout(10):
        while not connection.pipeline:  # noqa: ASYNC110  # nothing signals it
            await asyncio.sleep(0.001)
        client.writer.close()
        while connection.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert not connection.pipeline


@pytest.mark.parametrize(
    ("files", "connections", "backlog"),
    [(20, 8, 8), (64, 16, 8), (1024, 856, 128), (65536, 4096, 2048), (math.inf, 4096, 2048)],
)
def test_connections_leave_handles_for_workers_and_for_those_that_come_at_once(
    files: float, connections: int, backlog: int
) -> None:
    assert connections_by(files) == connections
    assert backlog_by(files, connections=connections) == backlog


def test_the_rate_is_the_one_that_the_setting_names() -> None:
    assert f"{USUAL.body_rate:,.0f} bytes/s" in (Settings.model_fields["request_seconds"].description or "")
