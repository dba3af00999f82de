import asyncio

import pytest

from app.streams import lines

pytestmark = pytest.mark.anyio
LIMIT = 64


def stream(*parts: bytes, end: bool = True) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LIMIT)
    for part in parts:
        reader.feed_data(part)
    if end:
        reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"\n\nthree\n", ["", "", "three"]),
        (b"not \xff UTF-8\n", ["not \N{REPLACEMENT CHARACTER} UTF-8"]),
        ("Straße\n".encode(), ["Straße"]),
    ],
)
async def test_lines_come_without_their_ends(data: bytes, expected: list[str]) -> None:
    assert [line async for line in lines(stream(data))] == expected


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1, 1000])
@pytest.mark.parametrize("ended", [True, False], ids=["with its end", "cut off"])
async def test_a_line_beyond_the_limit_comes_in_pieces_and_the_next_one_whole(length: int, ended: bool) -> None:
    long = "".join(chr(97 + i % 26) for i in range(length))
    more = ["next", "last"] if ended else []
    found = [line async for line in lines(stream("\n".join([long, *more]).encode()))]
    pieces = found[: len(found) - len(more)]
    assert "".join(pieces) == long
    assert found[len(pieces) :] == more


async def test_a_line_is_there_as_soon_as_it_is_written() -> None:
    reader = stream(b"one\n", end=False)
    source = lines(reader)
    assert await anext(source) == "one"
    waiting = asyncio.ensure_future(anext(source))
    reader.feed_data(b"two")
    reader.feed_data(b"!\n")
    assert await waiting == "two!"
    reader.feed_eof()
    with pytest.raises(StopAsyncIteration):
        await anext(source)


async def test_no_stream_has_no_lines() -> None:
    assert [line async for line in lines(None)] == []
