"""Moments in which nothing else runs: what is timed in one is not disturbed, and requests don't wait long for it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from app.lanes.batching import MicroBatcher

PATIENCE_S = 0.1  # how long a quiet moment is waited for before requests have to wait instead
LONGEST_HOLD_S = 5.0  # for batches that run to end
MOST_HOLD_S = 60.0  # of a patient one
REST = 9.0  # a patient one takes a tenth of the time of a server that never rests


class Quiet:
    """Makes quiet moments over these queues.

    `measuring` is held by whoever measures: what goes past the queues does not disturb it either.
    """

    def __init__(
        self,
        batchers: Sequence[MicroBatcher],
        *,
        measuring: asyncio.Lock,
        patience_s: float = PATIENCE_S,
        hold_s: float = LONGEST_HOLD_S,
    ) -> None:
        self._rest = 0.0  # how long, in times of a moment that was no quiet one by itself, before the next one
        self._batchers, self._measuring = batchers, measuring
        self._patience_s, self._hold_s = patience_s, hold_s

    def patient(self, factor: float) -> "Quiet":
        """One that waits longer, and rests after each moment for which requests had to wait."""
        made = Quiet(
            self._batchers,
            measuring=self._measuring,
            patience_s=self._patience_s * factor,
            hold_s=min(self._hold_s * factor, MOST_HOLD_S),
        )
        made._rest = REST
        return made

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        """Nothing else runs while the block does; keep it short, requests wait.

        TimeoutError if batches that run do not end within `hold_s`.
        """
        async with self._measuring, AsyncExitStack() as stack:
            came = await wait_until_idle(self._batchers, within_s=self._patience_s)
            begun = time.monotonic()
            async with asyncio.timeout(self._hold_s):  # a worker that hangs must not keep others' requests waiting
                for batcher in self._batchers:
                    await stack.enter_async_context(batcher.paused())
            yield
        if not came:
            await asyncio.sleep(self._rest * (time.monotonic() - begun))


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
