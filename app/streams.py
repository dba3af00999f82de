"""Lines of a child process, however long."""

import asyncio
from collections.abc import AsyncIterator


async def lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Each line without its end, until the stream ends; a line beyond the stream's limit comes in pieces."""
    if stream is None:
        return
    while True:
        try:
            raw = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                yield error.partial.decode(errors="replace")
            return
        except asyncio.LimitOverrunError as error:
            raw = await stream.read(max(error.consumed, 1))
        yield raw.decode(errors="replace").rstrip("\r\n")
