"""Swaps of several workers that are cut off, and a place that stays empty until there is room."""

import asyncio
from pathlib import Path

import pytest

from app.backends.backend import Backend, Spec
from app.backends.placement import Placement
from app.images import Image
from app.lanes.door import Door
from app.lanes.slot import Slot
from app.metrics import Metrics
from tests.support.fakes import FakeStarter, until

pytestmark = pytest.mark.anyio

VERSIONS = [Spec("native", Path(f"street/{version}"), max_batch=8) for version in (1, 2, 3)]


async def test_what_a_swap_left_to_be_started_is_given_up_when_another_one_comes(street: Image) -> None:
    starter, room = FakeStarter(), [True, True]  # beside the first version; then none for the second's others
    room += [True, False, False]

    def lacking(_: Backend, __: bool) -> str | None:
        return None if not room or room.pop(0) else "there is not enough memory for two"

    slot = Slot("native", starter, Metrics(), placements=[Placement(number) for number in range(3)], room=lacking)
    await slot.open(Door(VERSIONS[0]))
    await slot.filled()
    busy = starter.started[0]
    busy.open_gate.clear()
    batch = asyncio.create_task(slot.run([street]))
    await until(lambda: len(busy.batches) == 1)

    second = asyncio.create_task(slot.open(Door(VERSIONS[1])))
    await until(lambda: len(starter.started) == 4 and slot.replicas[0].serves and slot.replicas[1].pid is None)
    assert [each.phase.name for each in slot.replicas] == ["ready", "loading", "loading"], "they wait for the old ones"
    second.cancel()
    await asyncio.wait([second])
    await slot.open(Door(VERSIONS[2]))
    busy.open_gate.set()
    await batch
    await until(lambda: busy.closed)
    await slot.filled()

    assert [each.lease.spec.folder for each in slot.replicas if each.lease] == [VERSIONS[2].folder] * 3
    assert [each.spec.folder for each in starter.started if not each.closed] == [VERSIONS[2].folder] * 3
    await slot.close()
