"""Quiet moments: no batch begins in one, nothing runs in it, and nobody has to wait for it for ever."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from app.backends.backend import Spec
from app.errors import Overloaded
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.quiet import LONGEST_HOLD_S, Quiet, held, idle, wait_until_idle
from app.lanes.runner import Bounds
from app.metrics import Metrics
from tests.support.app.queueing import QueuedModel, submit
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio

SOON_S = 0.01
Moment = AbstractAsyncContextManager[None]


class Queues:
    """Two backends with a queue in front of each, and quiet moments over both."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.backends = [FakeBackend(Spec(name, Path("street/1"), max_batch=8)) for name in ("native", "frozen")]
        self.models = [QueuedModel(each.detect, name=each.name) for each in self.backends]
        self.batchers = [MicroBatcher(each, Metrics(), bounds=Bounds(64), executor=executor) for each in self.models]
        self.measuring = asyncio.Lock()

    def moment(self, *, patience_s: float = SOON_S, hold_s: float = LONGEST_HOLD_S) -> Moment:
        quiet = Quiet(self.batchers, measuring=self.measuring, patience_s=patience_s, hold_s=hold_s)
        return quiet.moment()

    @asynccontextmanager
    async def busy(self, image: Image, *, which: int = 0) -> AsyncIterator[asyncio.Task[object]]:
        """A request that runs until the block ends."""
        backend = self.backends[which]
        backend.open_gate.clear()
        (asked,) = submit(self.batchers[which], [image])
        await until(lambda: self.batchers[which].in_flight == 1)
        yield asked
        backend.open_gate.set()
        await asked


@pytest.fixture
async def bench(executor: ThreadPoolExecutor) -> Queues:
    return Queues(executor)


async def test_no_batch_begins_in_it_and_those_that_came_are_run_after_it(bench: Queues, street: Image) -> None:
    async with bench.moment():
        asked = [*submit(bench.batchers[0], [street] * 3), *submit(bench.batchers[1], [street])]
        await until(lambda: [batcher.depth for batcher in bench.batchers] == [3, 1])
        for _ in range(20):
            await asyncio.sleep(0)
        assert [backend.batches for backend in bench.backends] == [[], []]
        assert not idle(bench.batchers)
    await asyncio.gather(*asked)
    assert [len(backend.batches) for backend in bench.backends] == [3, 1]
    assert idle(bench.batchers)


@pytest.mark.parametrize("which", [0, 1])
async def test_it_comes_when_what_runs_has_ended(which: int, bench: Queues, street: Image) -> None:
    moment = bench.moment()
    async with bench.busy(street, which=which) as asked:
        entering = asyncio.ensure_future(moment.__aenter__())
        (later,) = submit(bench.batchers[which], [street])
        await asyncio.wait([entering], timeout=5 * SOON_S)
        assert not entering.done()
    await entering
    assert asked.done()
    assert not later.done(), "it came after the wish for quiet"
    await moment.__aexit__(None, None, None)
    await later


async def test_a_quiet_moment_is_waited_for_before_requests_have_to_wait(bench: Queues, street: Image) -> None:
    moment = bench.moment(patience_s=60)
    async with bench.busy(street):
        bench.models[0].max_in_flight = 2
        entering = asyncio.ensure_future(moment.__aenter__())
        (other,) = submit(bench.batchers[0], [street])
        await until(lambda: len(bench.backends[0].batches) == 2)
        assert not entering.done()
    await entering
    assert other.done()
    await moment.__aexit__(None, None, None)


async def test_a_batch_that_hangs_does_not_hold_the_others_for_long(bench: Queues, street: Image) -> None:
    assert LONGEST_HOLD_S <= 5
    async with bench.busy(street, which=1):
        with pytest.raises(TimeoutError):
            async with bench.moment(hold_s=SOON_S):
                pytest.fail("there was no quiet moment")
        (asked,) = submit(bench.batchers[0], [street])
        await asked
    assert not bench.measuring.locked()


async def test_what_is_asked_for_while_it_waits_in_vain_is_run_then(bench: Queues, street: Image) -> None:
    async with bench.busy(street, which=1):
        waiting = asyncio.ensure_future(bench.moment(hold_s=10 * SOON_S).__aenter__())
        await until(bench.measuring.locked)
        (asked,) = submit(bench.batchers[0], [street])
        await asyncio.wait([waiting])
        await asked
        assert isinstance(waiting.exception(), TimeoutError)


async def test_whoever_measures_is_alone(bench: Queues) -> None:
    moment = bench.moment()
    async with bench.measuring:
        entering = asyncio.ensure_future(moment.__aenter__())
        await asyncio.wait([entering], timeout=5 * SOON_S)
        assert not entering.done()
    await entering
    assert bench.measuring.locked()
    await moment.__aexit__(None, None, None)
    assert not bench.measuring.locked()


async def test_it_ends_with_an_error_in_the_block_too(bench: Queues, street: Image) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bench.moment():
            raise ZeroDivisionError
    (asked,) = submit(bench.batchers[0], [street])
    await asked


async def test_beside_a_load_that_never_ends_it_takes_the_place_of_a_batch(bench: Queues, street: Image) -> None:
    quiet = Quiet(bench.batchers, measuring=bench.measuring, patience_s=SOON_S).patient(2)
    batcher, native = bench.batchers[0], bench.backends[0]
    bench.models[0].max_in_flight = 2
    async with bench.busy(street):
        async with quiet.moment():
            asked = submit(batcher, [street] * 2)
            await until(lambda: batcher.depth == 2)
            assert (quiet.shared, len(native.batches)) == (0, 1)
        await until(lambda: len(native.batches) == 2)
        assert (quiet.shared, batcher.depth, bench.measuring.locked()) == (1, 1, False)
    await asyncio.gather(*asked)
    async with quiet.moment():
        assert idle(bench.batchers)
    assert quiet.shared == 1, "a quiet moment came by itself"


async def test_a_place_is_waited_for(bench: Queues, street: Image) -> None:
    async with bench.busy(street) as asked:
        with pytest.raises(TimeoutError):
            async with held(bench.batchers, within_s=SOON_S, places=1):
                pytest.fail("there is but one, and it is taken")
        entering = asyncio.ensure_future(held(bench.batchers, within_s=60, places=1).__aenter__())
    await entering
    assert asked.done()


async def test_a_queue_is_held_until_the_last_holder_lets_go(bench: Queues, street: Image) -> None:
    batcher = bench.batchers[0]
    async with batcher.paused():
        async with batcher.paused():
            (asked,) = submit(batcher, [street])
            await until(lambda: batcher.depth == 1)
        await asyncio.wait([asked], timeout=SOON_S)
        assert (batcher.batches_begun, batcher.in_flight) == (0, 0)
    await asked
    assert batcher.batches_begun == 1


async def test_a_paused_queue_refuses_what_is_over_its_limit_and_forgets_who_left(bench: Queues, street: Image) -> None:
    batcher = bench.batchers[0]
    async with batcher.paused():
        futures = batcher.submit([street] * 64)
        with pytest.raises(Overloaded):
            batcher.submit([street])
        for future in futures[1:]:
            future.cancel()
        await until(lambda: batcher.depth == 1)
    await futures[0]
    assert len(bench.backends[0].batches) == 1


async def test_a_queue_rests_when_nothing_waits_and_nothing_runs(bench: Queues, street: Image) -> None:
    batcher = bench.batchers[0]
    await batcher.wait_until_idle()
    async with bench.busy(street):
        resting = asyncio.ensure_future(batcher.wait_until_idle())
        (later,) = submit(batcher, [street])
        await asyncio.wait([resting], timeout=SOON_S)
        assert not resting.done()
    await resting
    assert later.done()


async def test_quiet_is_told_from_a_quiet_that_did_not_come(bench: Queues, street: Image) -> None:
    assert await wait_until_idle(bench.batchers, within_s=60)
    async with bench.busy(street, which=1):
        assert not await wait_until_idle(bench.batchers, within_s=SOON_S)
    assert await wait_until_idle(bench.batchers, within_s=60)
