"""A fresh backend is looked at before it is published, and what has served is started again until it passes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.backends.backend import Backend, ModelRefused, Spec, WorkerDied
from app.images import Image
from app.lanes.door import Door
from app.lanes.slot import Slot
from app.metrics import Metrics
from converter.contract import CopyRefused
from tests.support.app.phases import Phases
from tests.support.app.slots import SlotSetup
from tests.support.fakes import FakeStarter, until

pytestmark = pytest.mark.anyio

OLD, NEW = (Spec("trt", Path(f"street/{version}_trt"), max_batch=8) for version in (1, 2))


class InspectedSlot(Door):
    """A slot, and who looked at what."""

    def __init__(self) -> None:
        super().__init__(NEW)
        self.starter = FakeStarter()
        self.slot = Slot("trt", self.starter, Metrics())
        self.seen: list[tuple[Backend, Backend | None]] = []  # the fresh one, and who served then
        self.may_go_on = asyncio.Event()
        self.error: Exception | None = None

    async def inspect(self, fresh: Backend, /) -> None:
        self.seen.append((fresh, self.slot.backend))
        await self.may_go_on.wait()
        if self.error:
            raise self.error


@pytest.fixture
async def bench() -> AsyncIterator[InspectedSlot]:
    made = InspectedSlot()
    yield made
    await made.slot.close()


async def test_it_is_looked_at_before_it_serves(bench: InspectedSlot, street: Image) -> None:
    opening = asyncio.create_task(bench.slot.open(bench))
    await until(lambda: len(bench.seen) == 1)
    assert bench.seen == [(bench.starter.started[0], None)]
    assert not bench.slot.ready
    bench.may_go_on.set()
    await opening
    assert bench.slot.backend is bench.starter.started[0]


async def test_the_old_one_serves_while_the_new_one_is_looked_at(bench: InspectedSlot, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    swap = asyncio.create_task(bench.slot.open(bench))
    await until(lambda: len(bench.seen) == 1)
    old, new = bench.starter.started
    assert bench.seen == [(new, old)]
    await bench.slot.run([street])
    assert (len(old.batches), len(new.batches)) == (1, 0)
    bench.may_go_on.set()
    await swap
    assert (bench.slot.backend, old.closed) == (new, True)


@pytest.mark.parametrize("serves", [False, True], ids=["nothing", "the old one"])
async def test_one_that_dies_while_it_is_looked_at_is_not_published(serves: bool, bench: InspectedSlot) -> None:
    if serves:
        await bench.slot.open(Door(OLD))
    bench.error = WorkerDied("its process ended by SIGABRT")
    bench.may_go_on.set()
    with pytest.raises(WorkerDied):
        await bench.slot.open(bench)
    assert bench.starter.started[-1].closed
    assert bench.slot.ready == serves
    assert bench.slot.phase.name == ("ready" if serves else "crashed")


async def test_one_that_is_given_up_while_it_is_looked_at_is_ended(bench: InspectedSlot) -> None:
    opening = asyncio.create_task(bench.slot.open(bench))
    await until(lambda: len(bench.seen) == 1)
    opening.cancel()
    await asyncio.wait([opening])
    assert bench.starter.started[0].closed
    assert (bench.slot.ready, bench.slot.phase.name) == (False, "unavailable")


async def test_a_restart_passes_the_same_door(bench: InspectedSlot) -> None:
    bench.may_go_on.set()
    await bench.slot.open(bench)
    bench.slot.replicas[0].pause_s = 0.01
    bench.starter.started[0].die()
    await until(lambda: len(bench.starter.started) == 2 and bench.slot.ready)
    assert [fresh for fresh, _ in bench.seen] == bench.starter.started


@pytest.mark.parametrize(
    ("failure", "state", "says"),
    [
        (ModelRefused("its variables are gone"), "refused", "its variables are gone"),
        (CopyRefused("damaged", "1_trt is damaged"), "refused", "damaged: 1_trt is damaged"),
        (OSError(12, "Cannot allocate memory"), "crashed", "[Errno 12] Cannot allocate memory"),
        (MemoryError("no memory"), "crashed", "no memory"),
    ],
)
async def test_what_has_served_is_started_again_until_it_serves(
    failure: Exception, state: str, says: str, phases: Phases
) -> None:
    bench = SlotSetup(phases)
    await bench.slot.open(Door(OLD))
    bench.starter.failures = [failure] * 3
    bench.die(pause_s=0.001)
    await until(lambda: len(bench.starter.started) == 2 and bench.slot.ready)
    assert [phase for phase in bench.phases if phase != "loading"] == ["ready", "crashed", *[state] * 3, "ready"]
    assert f"{says}; it is started again after 0.008 s" in bench.told
    assert bench.slot.replicas[0].pause_s == 0.016
    bench.slot.replicas[0].pause_s = 20
    bench.newest.die()
    await until(lambda: not bench.slot.ready)
    assert bench.slot.replicas[0].pause_s == 30, "the longest there is"
    await bench.slot.close()
