"""The protocol over a tiny app: what clients may send, how slowly, and how many."""

import asyncio
import json
import logging

import pytest

from app.connections.connections import Stage
from tests.support.app.connecting import GET, POST, SHORT, Serve
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
BIG = b"a" * 100_000


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"POST /detect?classes=caf\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", "what is not ASCII must be percent-encoded"),
        (b"\x16\x03\x01\x02\x00\x01", "it looks like TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2 is not spoken here"),
        (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "duplicate Content-Length"),
        (GET.replace(b"GET", b"get"), "invalid method"),
    ],
)
async def test_why_a_request_is_no_http_is_told(sent: bytes, says: str, serve: Serve) -> None:
    status, body = await (await (await serve()).client()).ask(sent)
    assert (status, says in json.loads(body)["error"]) == (400, True), body


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
    assert served.observed(status) == (None if sent == GET[:-2] or not status else 1)
    assert served.cut("slow") == (None if sent == GET or not status else 1)


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
    await until(lambda: served.connections.held == 150_000)
    assert await small.ask(POST + b"Content-Length: 9999\r\n\r\n" + b"a" * 9999) == (200, b"9999")
    assert await large.ask(POST + b"Content-Length: 190000\r\n\r\n" + b"a" * 190_000) == (200, b"190000")
    status, body = await stalled.ask()
    assert (status, json.loads(body)["code"]) == (429, "overloaded")
    await until(lambda: served.connections.held == 0)
    assert served.cut("bodies") == 1


async def test_a_client_that_is_answered_early_can_send_all_and_is_never_reset(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    for _ in range(2):  # the connection is kept
        assert await client.ask(EARLY % 100_000, BIG) == (200, b"0")
    large = EARLY.replace(b"Host", b"Connection: close\r\nHost") % 20_000_000
    assert await client.ask(large, *[BIG] * 200) == (200, b"0")
    assert await client.rest() == b""


@pytest.mark.parametrize(("size", "ends"), [(200_000, False), (300_000, True), (20_000_000, True)])
async def test_an_answer_before_a_large_body_says_that_the_connection_ends(size: int, ends: bool, serve: Serve) -> None:
    client = await (await serve()).client()
    client.writer.write(EARLY % size)
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert (b"connection: close" in head) == ends
    assert await client.reader.readexactly(1) == b"0"
    client.writer.write(bytes(size))
    if ends:
        assert await client.rest() == b""
    else:
        assert await client.ask(GET) == (200, b"0")


@pytest.mark.parametrize("name", [b"Upgrade", b"UPGRADE"])
async def test_an_offer_of_another_protocol_is_passed_over_and_the_body_read(name: bytes, serve: Serve) -> None:
    """As Java's client makes it."""
    client = await (await serve()).client()
    offer = b"Connection: Upgrade, HTTP2-Settings\r\n%b: h2c\r\nHTTP2-Settings: AAEA\r\n" % name
    for _ in range(2):  # the connection is kept
        assert await client.ask(POST + offer + b"Content-Length: 9\r\n\r\nUpgrade:\n") == (200, b"9")


@pytest.mark.parametrize("lines", [b"", b"\r\n\r\n"], ids=["", "empty lines"])
async def test_nor_does_one_in_pieces_cost_the_body(lines: bytes, serve: Serve) -> None:
    client = await (await serve()).client()
    head = lines + POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 9\r\n\r\n"
    for at in range(1, len(head)):
        client.writer.write(head[:at])
        await client.writer.drain()
        await asyncio.sleep(0.001)  # so that it comes in two
        assert await client.ask(head[at:] + b"Upgrade:\n") == (200, b"9"), at


async def test_a_body_is_handed_over_when_it_is_complete_and_an_answer_is_sent_in_one_go(serve: Serve) -> None:
    client = await (await serve()).client()
    client.writer.write(b"POST /pieces HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
    for _ in range(3):
        client.writer.write(BIG)
        await client.writer.drain()
    assert await client.ask() == (200, b"1")
    for method in (b"HEAD", b"GET"):  # an answer without a body is sent, too
        client.writer.write(GET.replace(b"GET", method).replace(b"/ ", b"/early "))
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_work_for_a_client_who_leaves_is_cancelled(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    client.writer.write(GET.replace(b"/ ", b"/work "))
    await until(lambda: [each.stage for each in served.connections.all()] == [Stage.ANSWERING])
    client.writer.close()
    await until(lambda: served.observed(499) == 1)


async def test_chunks_of_a_hundred_bytes_are_no_waste(serve: Serve) -> None:
    client = await (await serve()).client()
    assert await client.ask(CHUNKED + (b"64\r\n" + b"a" * 100 + b"\r\n") * 20_000 + b"0\r\n\r\n") == (200, b"2000000")
