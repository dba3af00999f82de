"""Answers: how a client reads them, and those of requests that come ahead of them."""

from typing import cast

import pytest

from app.connections.reading import Reading
from app.connections.transport import PoliteTransport
from tests.support.app.connecting import GET, POST, SHORT, USUAL, Serve
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


async def test_a_client_that_does_not_read_its_answer_is_closed(serve: Serve) -> None:
    served = await serve(**SHORT)
    client = await served.client()
    (connection,) = await served.open(1)
    connection.transport.write(b"a" * 50_000_000)  # an answer larger than any buffer
    await served.open(0)
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


async def test_what_comes_behind_a_request_and_is_no_http_does_not_cost_its_answer(serve: Serve) -> None:
    client = await (await serve()).client()
    assert await client.ask(GET + b"\x00\x00" * 9) == (200, b"0")
    assert await client.rest() == b""


async def test_requests_in_one_packet_are_answered_in_turn_and_trailers_are_no_headers(serve: Serve) -> None:
    client = await (await serve()).client()
    assert await client.ask(
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n" + GET
    ) == (200, b"5")
    assert await client.ask() == (200, b"0")


async def test_of_many_requests_in_one_packet_some_are_answered_and_the_rest_is_not_read(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    client.writer.write(GET * 5000)
    assert (await client.rest()).count(b"HTTP/1.1 200") == 1 + USUAL.queued_requests
    assert served.cut("pipelined") == 1


async def test_an_answer_in_one_message_is_the_same_as_in_two(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    heads = []
    for path in (b"/ ", b"/whole ", b"/whole "):
        client.writer.write(GET.replace(b"/ ", path).replace(b"Host", b"X-Request-Id: a\r\nHost"))
        heads.append(await client.reader.readuntil(b"\r\n\r\n0"))
    assert len(set(heads)) == 1
    assert b"x-request-id: a" in heads[0]
    client.writer.write(GET.replace(b"/ ", b"/whole ").replace(b"Host", b"Connection: close\r\nHost"))
    assert (await client.rest()).endswith(b"connection: close\r\n\r\n0")
    assert served.observed(200) == 4


async def test_who_leaves_has_no_request_worked_off(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    client.writer.write(GET.replace(b"/ ", b"/wait ") + GET * 9)
    (connection,) = await served.open(1)
    await until(lambda: bool(connection.pipeline))
    client.writer.close()
    await until(lambda: not connection.server_state.tasks)
    assert not connection.pipeline
