"""Moments to measure in: quiet ones, in which nothing else runs, and on a server that never rests shared ones.

What is timed in a quiet moment is not disturbed. In a shared one it has the place of one batch, so that as many run as
always do, whichever backend is asked: the load disturbs both alike. Requests don't wait long for either.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from app.lanes.batching import ALL, MicroBatcher

PATIENCE_S = 0.1  # how long a quiet moment is waited for before requests have to wait instead
LONGEST_HOLD_S = 5.0  # for batches that run to end
MOST_PATIENCE_S = 5.0  # of a patient one
REST = 4.0  # times a shared moment; of two batches in flight it costs a tenth of what the server can do


class Quiet:
    """Makes moments over these queues.

    `measuring` is held by whoever measures: what goes past the queues does not disturb it either. `hold_s` is how long
    requests wait for a quiet moment; without it, the moment is a shared one where a quiet one does not come.
    """

    def __init__(
        self,
        batchers: Sequence[MicroBatcher],
        *,
        measuring: asyncio.Lock,
        patience_s: float = PATIENCE_S,
        hold_s: float | None = LONGEST_HOLD_S,
    ) -> None:
        self.shared = 0  # moments that were
        self._batchers, self._measuring = batchers, measuring
        self._patience_s, self._hold_s = patience_s, hold_s

    def patient(self, factor: float) -> "Quiet":
        """One that waits longer for a quiet moment, then shares, and rests after it."""
        patience_s = min(self._patience_s * factor, MOST_PATIENCE_S)
        return Quiet(self._batchers, measuring=self._measuring, patience_s=patience_s, hold_s=None)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        """Nothing else runs while the block does, or one batch less in each queue; keep it short, requests wait.

        TimeoutError if batches that run do not end within `hold_s`.
        """
        async with self._measuring:
            came = await wait_until_idle(self._batchers, within_s=self._patience_s)
            shares = self._hold_s is None and not came
            async with held(self._batchers, within_s=self._hold_s, places=1 if shares else ALL):
                begun = time.monotonic()
                yield
        if shares:
            self.shared += 1
            await asyncio.sleep(REST * (time.monotonic() - begun))


def idle(batchers: Sequence[MicroBatcher]) -> bool:
    """Whether nothing waits and nothing runs."""
    return not any(batcher.depth or batcher.in_flight for batcher in batchers)


async def wait_until_idle(batchers: Sequence[MicroBatcher], *, within_s: float) -> bool:
    """Wait until nothing waits and nothing runs; False if that did not come within the time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not idle(batchers):
                for batcher in batchers:
                    await batcher.wait_until_idle()
    return idle(batchers)


@asynccontextmanager
async def held(batchers: Sequence[MicroBatcher], *, within_s: float | None, places: int = ALL) -> AsyncIterator[None]:
    """Each queue runs so many batches less while the block does; TimeoutError if it does not come to that in time."""
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(within_s):  # a worker that hangs must not keep others' requests waiting
            for batcher in batchers:
                await stack.enter_async_context(batcher.paused(places=places))
        yield
