"""Several workers of one backend: who gets a batch, what a death costs, and how all of them are swapped."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.backends.backend import Spec, WorkerDied
from app.backends.placement import Placement
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.door import Door
from app.lanes.replica import FIRST_PAUSE_S
from app.lanes.runner import Bounds
from app.lanes.slot import Slot
from app.lanes.suspects import Suspects
from app.metrics import Metrics
from tests.support.app.queueing import ask, pictures, submit
from tests.support.fakes import FakeBackend, FakeStarter, until

pytestmark = pytest.mark.anyio

OLD, NEW = (Spec("native", Path(f"street/{version}"), max_batch=8) for version in (1, 2))
PLACES = (Placement(0, gpu="GPU-a"), Placement(1, gpu="GPU-b"), Placement(2, gpu="GPU-a"))


class Bench:
    """A slot of several replicas, each of which takes two batches at once."""

    def __init__(self, replicas: int = 2) -> None:
        self.starter, self.metrics = FakeStarter(), Metrics()
        self.lacking: list[str | None] = []  # what is said of room, in turn; then there is some
        self.asked: list[bool] = []  # whether room was asked for on the same GPU
        placements = PLACES[:replicas]
        self.slot = Slot("native", self.starter, self.metrics, placements=placements, room=self._room)

    def _room(self, backend: object, same_gpu: bool) -> str | None:
        self.asked.append(same_gpu)
        return self.lacking.pop(0) if self.lacking else None

    async def open(self, spec: Spec = OLD) -> None:
        await self.slot.open(Door(spec))
        await self.slot.filled()

    @property
    def phases(self) -> list[str]:
        return [each.phase.name for each in self.slot.replicas]

    @property
    def workers(self) -> list[FakeBackend]:
        """Those that were started and live."""
        return [each for each in self.starter.started if not each.closed]

    @property
    def batches(self) -> list[int]:
        return [len(each.batches) for each in self.starter.started]

    def batcher(self, executor: ThreadPoolExecutor, suspects: Suspects | None = None) -> MicroBatcher:
        return MicroBatcher(self.slot, self.metrics, bounds=Bounds(64), executor=executor, suspects=suspects)

    def restarts(self) -> float:
        labels = {"backend": "native", "reason": "crashed"}
        return self.metrics.registry.get_sample_value("detector_worker_restarts_total", labels) or 0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.slot.close()


async def test_the_first_serves_while_the_others_start(bench: Bench, street: Image) -> None:
    opening = asyncio.create_task(bench.slot.open(Door(OLD)))
    await opening
    assert (bench.slot.ready, bench.slot.max_in_flight) == (True, 2)
    await bench.slot.run([street])
    await bench.slot.filled()
    assert (bench.phases, bench.slot.max_in_flight) == (["ready", "ready"], 4)
    assert [each.placement for each in bench.starter.asked] == list(PLACES[:2])
    assert bench.asked == [False], "the second one is on another GPU"


async def test_batches_go_to_whoever_has_most_places_free(
    bench: Bench, executor: ThreadPoolExecutor, street: Image
) -> None:
    await bench.open()
    for worker in bench.workers:
        worker.open_gate.clear()
    batcher = bench.batcher(executor)
    asked = [asyncio.create_task(ask(batcher, each)) for each in pictures(street, 6)]
    await until(lambda: batcher.in_flight == 4 and sum(bench.batches) == 4)
    assert bench.batches == [2, 2]
    bench.workers[1].open_gate.set()
    await until(lambda: bench.batches[1] > 2)
    assert bench.batches[0] == 2, "it works on two batches still"
    bench.workers[0].open_gate.set()
    await asyncio.gather(*asked)


async def test_one_that_dies_costs_its_share_and_comes_back_by_itself(
    bench: Bench, executor: ThreadPoolExecutor, street: Image
) -> None:
    await bench.open()
    first, second = bench.workers
    first.open_gate.clear()
    batcher = bench.batcher(executor)
    lost = asyncio.create_task(ask(batcher, street))
    await until(lambda: len(first.batches) == 1)
    bench.starter.open_gate.clear()
    bench.slot.replicas[0].pause_s = 0.001
    first.die()
    with pytest.raises(WorkerDied):
        await lost
    await until(lambda: bench.phases == ["loading", "ready"])
    assert (bench.slot.ready, bench.slot.phase.name, bench.slot.max_in_flight) == (True, "ready", 2)
    await ask(batcher, pictures(street, 1)[0])
    assert len(second.batches) == 1
    bench.starter.open_gate.set()
    await until(lambda: bench.phases == ["ready", "ready"])
    assert (bench.restarts(), bench.slot.max_in_flight) == (1, 4)
    assert bench.starter.asked[-1].placement == PLACES[0], "in the place of the one that died"
    assert [each.pause_s for each in bench.slot.replicas] == [0.002, FIRST_PAUSE_S], "each has its own"


async def test_a_suspect_has_one_worker_to_itself_and_the_others_go_on(
    bench: Bench, executor: ThreadPoolExecutor, street: Image
) -> None:
    await bench.open()
    first, second = bench.workers
    suspects = Suspects()
    suspect, *innocent = pictures(street, 9)
    suspects.note([suspect], WorkerDied("it ended by SIGSEGV"))
    innocent = [Image(b"another picture", each.width, each.height) for each in innocent]
    batcher = bench.batcher(executor, suspects)
    first.open_gate.clear()
    second.open_gate.clear()
    asked = submit(batcher, innocent[:2])
    await until(lambda: bench.batches == [1, 1])
    alone = asyncio.create_task(ask(batcher, suspect))
    asked += submit(batcher, innocent[2:])
    await until(lambda: batcher.in_flight == 3)
    reserved, free = (first, second) if bench.slot.replicas[0].reserved else (second, first)
    assert len(reserved.batches) == 1, "it waits until nothing else is in it"
    free.open_gate.set()
    await until(lambda: batcher.depth == 0 and batcher.in_flight == 2)
    reserved.open_gate.set()
    await asyncio.gather(alone, *asked)
    assert reserved.batches[1] == [suspect]
    assert bench.slot.max_in_flight == 4


async def test_all_are_swapped_at_one_moment(bench: Bench, street: Image) -> None:
    await bench.open()
    old = bench.workers
    bench.starter.open_gate.clear()
    swap = asyncio.create_task(bench.slot.open(Door(NEW)))
    await until(lambda: len(bench.starter.asked) == 3)
    await bench.slot.run([street])
    bench.starter.open_gate.set()
    await swap
    assert [each.closed for each in old] == [True, True]
    assert [each.spec.folder for each in bench.workers] == [NEW.folder] * 2
    assert (bench.phases, bench.batches) == (["ready", "ready"], [1, 0, 0, 0])


async def test_those_that_find_no_room_beside_the_old_ones_come_after_them(bench: Bench) -> None:
    await bench.open()
    bench.lacking = [None, "there is not enough memory for two"]
    await bench.slot.open(Door(NEW))
    await bench.slot.filled()
    assert [each.spec.folder for each in bench.workers] == [NEW.folder] * 2
    assert bench.phases == ["ready", "ready"]
    assert bench.restarts() == 0, "none of them has died"


async def test_one_without_room_says_so_and_is_tried_again(bench: Bench) -> None:
    bench.lacking = ["there is not enough memory for two"]
    bench.slot.replicas[1].pause_s = 0.01
    await bench.open()
    assert bench.phases == ["ready", "unavailable"]
    assert bench.slot.replicas[1].phase.reason == (
        "there is not enough memory for two; it is started again after 0.01 s"
    )
    await until(lambda: bench.phases == ["ready", "ready"])
    assert bench.restarts() == 0, "none of them has died"


async def test_when_all_have_died_the_backend_has(bench: Bench, street: Image) -> None:
    await bench.open()
    for replica, worker in zip(bench.slot.replicas, bench.workers, strict=True):
        replica.pause_s = 20
        worker.die()
    await until(lambda: bench.phases == ["crashed", "crashed"])
    assert (bench.slot.ready, bench.slot.phase.name) == (False, "crashed")
    await bench.open(NEW)
    assert (bench.phases, [each.spec.folder for each in bench.workers]) == (["ready", "ready"], [NEW.folder] * 2)


async def test_the_third_is_beside_the_first_on_its_gpu() -> None:
    bench = Bench(replicas=3)
    await bench.open()
    assert bench.asked == [False, True]
    await bench.slot.clear("unavailable", "of a reason")
    assert (bench.phases, bench.workers) == (["unavailable"] * 3, [])
    await bench.slot.close()
