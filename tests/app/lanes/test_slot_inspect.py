"""A fresh backend that is looked at before it is published: until then the old one serves, and after a no as well."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.backends.backend import Backend, Spec, WorkerDied
from app.images import Image
from app.lanes.slot import Slot
from app.metrics import Metrics
from tests.support.fakes import FakeStarter, until

pytestmark = pytest.mark.anyio

OLD, NEW = (Spec("trt", Path(f"street/{version}_trt"), max_batch=8) for version in (1, 2))


class InspectedSlot:
    """A slot, and who looked at what."""

    def __init__(self) -> None:
        self.starter = FakeStarter()
        self.slot = Slot("trt", self.starter, Metrics())
        self.seen: list[tuple[Backend, Backend | None]] = []  # the fresh one, and who served then
        self.may_go_on = asyncio.Event()
        self.error: Exception | None = None

    async def inspect(self, fresh: Backend) -> None:
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
    opening = asyncio.create_task(bench.slot.open(OLD, inspect=bench.inspect))
    await until(lambda: len(bench.seen) == 1)
    assert bench.seen == [(bench.starter.started[0], None)]
    assert not bench.slot.ready
    bench.may_go_on.set()
    await opening
    assert bench.slot.backend is bench.starter.started[0]


async def test_the_old_one_serves_while_the_new_one_is_looked_at(bench: InspectedSlot, street: Image) -> None:
    await bench.slot.open(OLD)
    swap = asyncio.create_task(bench.slot.open(NEW, inspect=bench.inspect))
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
        await bench.slot.open(OLD)
    bench.error = WorkerDied("its process ended by SIGABRT")
    bench.may_go_on.set()
    with pytest.raises(WorkerDied):
        await bench.slot.open(NEW, inspect=bench.inspect)
    assert bench.starter.started[-1].closed
    assert bench.slot.ready == serves
    assert bench.slot.phases[0].name == ("ready" if serves else "crashed")


async def test_one_that_is_given_up_while_it_is_looked_at_is_ended(bench: InspectedSlot) -> None:
    opening = asyncio.create_task(bench.slot.open(OLD, inspect=bench.inspect))
    await until(lambda: len(bench.seen) == 1)
    opening.cancel()
    await asyncio.wait([opening])
    assert bench.starter.started[0].closed
    assert (bench.slot.ready, bench.slot.phases[0].name) == (False, "unavailable")


async def test_a_restart_is_not_looked_at_again(bench: InspectedSlot) -> None:
    bench.may_go_on.set()
    await bench.slot.open(OLD, inspect=bench.inspect)
    bench.slot.pause_s = 0.01
    bench.starter.started[0].die()
    await until(lambda: len(bench.starter.started) == 2 and bench.slot.ready)
    assert len(bench.seen) == 1
