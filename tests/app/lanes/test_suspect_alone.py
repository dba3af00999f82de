"""A suspect where there is one worker: nothing runs beside it, and it costs no more than its own time."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed, Spec, WorkerDied
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.door import Door
from app.lanes.runner import Bounds
from app.lanes.slot import Slot
from app.lanes.suspects import Suspects
from app.metrics import Metrics
from tests.support.app.queueing import ask, pictures
from tests.support.fakes import FakeStarter, until

pytestmark = pytest.mark.anyio

SUSPECT = Image(b"it was in a worker that died", 99, 50)


class Bench:
    """One worker and its queue, in which SUSPECT is one."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.starter, metrics, suspects = FakeStarter(), Metrics(), Suspects()
        suspects.note([SUSPECT], WorkerDied("it ended by SIGSEGV"))
        self.slot = Slot("native", self.starter, metrics)
        self.batcher = MicroBatcher(self.slot, metrics, bounds=Bounds(64), executor=executor, suspects=suspects)


@pytest.fixture
async def bench(executor: ThreadPoolExecutor) -> AsyncIterator[Bench]:
    made = Bench(executor)
    await made.slot.open(Door(Spec("native", Path("street/1"), max_batch=8)))
    yield made
    await made.slot.close()


async def test_it_waits_until_a_batch_that_is_repaired_has_ended(bench: Bench, street: Image) -> None:
    (worker,) = bench.starter.started
    worker.fails = lambda images: BatchFailed("other", "of two") if len(images) > 1 else None
    worker.open_gate.clear()
    repaired = bench.batcher.submit(pictures(street, 2))
    await until(lambda: len(worker.batches) == 1)
    alone = asyncio.create_task(ask(bench.batcher, SUSPECT))
    await until(lambda: bench.batcher.in_flight == 2)
    worker.open_gate.set()
    await asyncio.gather(alone, *repaired)
    assert [[image.width for image in batch] for batch in worker.batches] == [[100, 101], [100], [101], [99]]


async def test_the_rate_of_answers_is_not_taken_for_nothing_while_it_runs(bench: Bench) -> None:
    await ask(bench.batcher, SUSPECT)
    assert bench.batcher.rate > 0
