"""Work on a large body in steps of about a millisecond, so that it never keeps the event loop from other requests."""

import asyncio
from io import BytesIO

STEP_BYTES = 512 << 10  # of copying, searching or decoding: one to two milliseconds


class Steps:
    """Lets the bodies that are read now take turns: one step of one of them for each round of the event loop.

    Threads would not do: what works on bytes holds Python's lock, so the loop would wait for it all the same.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def give_way(self) -> None:
        """Let everybody else go first; to be called after each step."""
        async with self._turn:
            await asyncio.sleep(0)

    async def find(self, data: bytes, wanted: bytes, start: int) -> int:
        """Where `wanted` begins at or behind `start`; -1 if it is not there."""
        while start < len(data):
            end = start + STEP_BYTES
            if (found := data.find(wanted, start, end + len(wanted) - 1)) >= 0:
                return found
            start = end
            await self.give_way()
        return -1

    async def part(self, data: bytes, start: int, end: int) -> bytes:
        """A copy of `data[start:end]`."""
        if end - start <= STEP_BYTES:
            return data[start:end]
        copy, view = BytesIO(), memoryview(data)
        for at in range(start, end, STEP_BYTES):
            copy.write(view[at : min(at + STEP_BYTES, end)])
            await self.give_way()
        return copy.getvalue()
