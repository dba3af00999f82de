"""Time divided among batches that run at once, equally: the parts of all of them add up to the time that there was."""

import time
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

Found = TypeVar("Found")


class Spent(NamedTuple):
    """How long a batch took, and its part of the time in which others ran too."""

    seconds: float
    share_s: float


class Shares:
    """Knows what runs; seconds are those of one clock, and never go back."""

    def __init__(self) -> None:
        self._running = 0
        self._share = self._last = 0.0  # what one that has always run would have got until `_last`

    async def timed(self, run: Awaitable[Found]) -> tuple[Found, Spent]:
        """What one batch gives, and the time it took."""
        started = time.perf_counter()
        share = self.begin(started)
        try:
            found = await run
        finally:
            ended = time.perf_counter()
            share = self.end(share, ended)
        return found, Spent(ended - started, share)

    def begin(self, now_s: float) -> float:
        """One more runs; what to end it with."""
        self._go_on(now_s)
        self._running += 1
        return self._share

    def end(self, begun: float, now_s: float) -> float:
        """One has ended; its part in seconds."""
        self._go_on(now_s)
        self._running -= 1
        return self._share - begun

    def _go_on(self, now_s: float) -> None:
        if self._running:
            self._share += (now_s - self._last) / self._running
        self._last = now_s
