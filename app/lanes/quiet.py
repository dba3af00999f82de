"""Moments in which nothing else runs: what is timed in one is not disturbed, and requests don't wait long for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from app.lanes.batching import MicroBatcher

PATIENCE_S = 0.1  # how long a quiet moment is waited for before requests have to wait instead
LONGEST_HOLD_S = 5.0  # for batches that run to end

Calm = Callable[[], AbstractAsyncContextManager[None]]


def calm(
    batchers: Sequence[MicroBatcher],
    *,
    alone: asyncio.Lock,
    patience_s: float = PATIENCE_S,
    hold_s: float = LONGEST_HOLD_S,
) -> Calm:
    """What makes calm over these queues: `async with made():`. Keep the block short, requests wait while it runs.

    `alone` is held by whoever measures: what goes past the queues does not disturb it either. TimeoutError if batches
    that run do not end within `hold_s`.
    """
    return partial(_calm, batchers, alone, patience_s, hold_s)


def idle(batchers: Sequence[MicroBatcher]) -> bool:
    """Whether nothing waits and nothing runs."""
    return not any(batcher.depth or batcher.in_flight for batcher in batchers)


async def quiet(batchers: Sequence[MicroBatcher], *, within_s: float) -> bool:
    """Wait until nothing waits and nothing runs; False if that did not come within the time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not idle(batchers):
                for batcher in batchers:
                    await batcher.rests()
    return idle(batchers)


@asynccontextmanager
async def _calm(
    batchers: Sequence[MicroBatcher], alone: asyncio.Lock, patience_s: float, hold_s: float
) -> AsyncIterator[None]:
    async with alone, AsyncExitStack() as stack:
        await quiet(batchers, within_s=patience_s)
        async with asyncio.timeout(hold_s):  # a worker that hangs must not keep others' requests waiting
            for batcher in batchers:
                await stack.enter_async_context(batcher.held())
        yield
