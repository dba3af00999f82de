import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.backends.backend import ModelRefused, Spec, WorkerDied
from app.errors import BackendUnavailable
from app.images import Image
from app.lanes.door import Door
from app.lanes.phase import Vacancy
from app.lanes.replica import FIRST_PAUSE_S
from tests.support.app.phases import Phases
from tests.support.app.slots import SlotSetup
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

OLD, NEW = (Spec("trt", Path(f"street/{version}_trt"), max_batch=8) for version in (1, 2))


@pytest.fixture
async def bench(phases: Phases) -> SlotSetup:
    return SlotSetup(phases)


async def test_before_anything_is_opened_it_says_so(bench: SlotSetup, street: Image) -> None:
    slot = bench.slot
    assert (bench.phase, bench.reason) == ("loading", "the server is starting")
    assert (slot.ready, slot.facts) == (False, None)
    with pytest.raises(BackendUnavailable, match="'trt' is loading: the server is starting"):
        await slot.run([street])


async def test_opening_loads_and_then_serves(bench: SlotSetup, phases: Phases, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    assert bench.phases == ["loading", "ready"]
    assert "1_trt" in phases.reasons("trt")[0]
    assert bench.slot.ready
    assert bench.slot.facts == bench.newest.facts
    (detections,) = await bench.slot.run([street])
    assert detections.classes.tolist() == [street.width]


async def test_a_batch_is_as_large_as_the_worker_has_found_that_it_can_be(bench: SlotSetup) -> None:
    assert bench.slot.max_batch == 1
    await bench.slot.open(Door(OLD))
    bench.newest.facts = replace(bench.newest.facts, batch_sizes=(1,))
    assert bench.slot.max_batch == 1
    bench.newest.facts = replace(bench.newest.facts, batch_sizes=(1, 8))
    assert bench.slot.max_batch == 8


async def test_why_nobody_serves_can_be_said_only_while_nobody_does(bench: SlotSetup) -> None:
    bench.slot.stay_vacant("unavailable", "no copy has been made yet")
    assert (bench.phase, bench.reason) == ("unavailable", "no copy has been made yet")
    await bench.slot.open(Door(OLD))
    bench.slot.stay_vacant("converting", "the copy is being made")
    assert (bench.phase, bench.phases) == ("ready", ["unavailable", "loading", "ready"])


async def test_a_swap_starts_warms_publishes_drains_and_then_closes(bench: SlotSetup, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    old = bench.newest
    old.open_gate.clear()
    in_old = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(old.batches) == 1)
    bench.starter.open_gate.clear()
    swap = asyncio.create_task(bench.slot.open(Door(NEW)))
    await until(lambda: bench.starter.asked == [OLD, NEW])
    assert bench.slot.ready, "the old one serves while the new one warms up"
    bench.starter.open_gate.set()
    await until(lambda: len(bench.starter.started) == 2)
    new = bench.newest
    await bench.slot.run([street])
    assert (len(old.batches), len(new.batches)) == (1, 1)
    assert not old.closed, "it has a batch in it"
    assert not swap.done()
    old.open_gate.set()
    await in_old
    await swap
    assert old.closed
    assert not new.closed
    assert bench.phases == ["loading", "ready"]


@pytest.mark.parametrize("failure", [ModelRefused("it has no signature"), WorkerDied("it ended by SIGABRT")])
async def test_a_failure_before_publish_leaves_the_old_one_serving(
    failure: Exception, bench: SlotSetup, street: Image
) -> None:
    await bench.slot.open(Door(OLD))
    old = bench.newest
    bench.starter.failures = [failure]
    with pytest.raises(type(failure)):
        await bench.slot.open(Door(NEW))
    await bench.slot.run([street])
    assert len(old.batches) == 1
    assert (bench.phase, old.closed, bench.starter.asked) == ("ready", False, [OLD, NEW])


@pytest.mark.parametrize(
    ("failure", "state"),
    [(ModelRefused("it has no signature"), "refused"), (WorkerDied("it ended by SIGABRT"), "crashed")],
)
async def test_a_first_model_that_does_not_start_says_why(
    failure: Exception, state: str, phases: Phases, street: Image
) -> None:
    bench = SlotSetup(phases, failure)
    with pytest.raises(type(failure)):
        await bench.slot.open(Door(OLD))
    assert bench.phase == state
    with pytest.raises(BackendUnavailable, match=str(failure)):
        await bench.slot.run([street])


async def test_a_swap_that_is_given_up_while_it_drains_still_ends_the_old_one(bench: SlotSetup, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    old = bench.newest
    old.open_gate.clear()
    in_old = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(old.batches) == 1)
    swap = asyncio.create_task(bench.slot.open(Door(NEW)))
    await until(lambda: len(bench.starter.started) == 2)
    swap.cancel()
    await asyncio.wait([swap])
    await bench.slot.close()
    assert old.closed
    assert bench.newest.closed
    with pytest.raises(WorkerDied):
        await in_old


async def test_a_crash_is_told_at_once_and_the_same_model_started_again(bench: SlotSetup, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    dead = bench.newest
    dead.die("its process ended by SIGKILL")
    await until(lambda: bench.phase == "crashed")
    assert not bench.slot.ready
    assert bench.reason == f"its process ended by SIGKILL; it is started again after {FIRST_PAUSE_S:g} s"
    with pytest.raises(BackendUnavailable, match="crashed: its process ended by SIGKILL") as caught:
        await bench.slot.run([street])
    assert caught.value.retry_after_s is not None
    assert bench.restarts("crashed") == 0
    await until(lambda: bench.slot.ready)
    assert bench.phases == ["loading", "ready", "crashed", "loading", "ready"]
    assert bench.restarts("crashed") == 1
    assert bench.starter.asked == [OLD, OLD]
    assert dead.closed
    await bench.slot.close()


async def test_no_state_says_active_while_nothing_serves(bench: SlotSetup) -> None:
    """From the death on: requests that still come must be told of the crash, not of a backend that is active."""
    await bench.slot.open(Door(OLD))
    seen: list[tuple[bool, str]] = []
    bench.newest.closing = lambda: seen.append((bench.slot.ready, bench.phase))
    bench.newest.die()
    await until(lambda: bool(seen))
    assert seen == [(False, "crashed")]
    await bench.slot.close()


async def test_the_pause_doubles_while_it_crashes_again(bench: SlotSetup) -> None:
    await bench.slot.open(Door(OLD))
    bench.starter.failures = [WorkerDied("it ended by SIGABRT")]
    bench.die(pause_s=0.01)
    await until(lambda: bench.phases.count("crashed") == 2)
    assert bench.reason == "it ended by SIGABRT; it is started again after 0.02 s"
    assert bench.restarts("crashed") == 1
    await bench.slot.close()


@pytest.mark.parametrize("when", ["in the pause", "while the restart loads"])
async def test_a_swap_during_a_restart_wins(when: str, bench: SlotSetup, street: Image) -> None:
    before = asyncio.all_tasks()
    await bench.slot.open(Door(OLD))
    watching = asyncio.all_tasks() - before
    bench.die(pause_s=0.02)
    await until(lambda: bench.phase == "crashed")
    if when == "while the restart loads":
        bench.starter.open_gate.clear()
        await until(lambda: bench.starter.asked == [OLD, OLD])
    swap = asyncio.create_task(bench.slot.open(Door(NEW)))
    bench.starter.open_gate.set()
    await swap
    await asyncio.wait(watching)  # whatever the restart does, it has been done
    await bench.slot.run([street])
    assert (bench.newest.spec, len(bench.newest.batches)) == (NEW, 1)
    assert [backend.closed for backend in bench.starter.started] == [True] * (len(bench.starter.started) - 1) + [False]
    assert bench.phase == "ready"
    await bench.slot.close()


async def test_the_death_of_one_that_was_swapped_out_changes_nothing(bench: SlotSetup) -> None:
    before = asyncio.all_tasks()
    await bench.slot.open(Door(OLD))
    watching = asyncio.all_tasks() - before
    await bench.slot.open(Door(NEW))
    await asyncio.wait(watching)
    assert bench.starter.started[0].closed
    assert bench.phases == ["loading", "ready"]
    assert bench.restarts("crashed") == 0
    await bench.slot.close()


async def test_what_is_cleared_while_it_waits_for_its_restart_stays_vacant(bench: SlotSetup) -> None:
    before = asyncio.all_tasks()
    await bench.slot.open(Door(OLD))
    watching = asyncio.all_tasks() - before
    bench.newest.die()
    await until(lambda: bench.phase == "crashed")
    await bench.slot.clear("unavailable", "a new version has been loaded")
    await asyncio.wait(watching)
    assert (bench.phase, len(bench.starter.started)) == ("unavailable", 1)


@pytest.mark.parametrize("crashed", [False, True], ids=["serving", "crashed"])
async def test_closing_ends_everything(crashed: bool, bench: SlotSetup) -> None:
    await bench.slot.open(Door(OLD))
    if crashed:
        bench.newest.die()
        await until(lambda: bench.phase == "crashed")
    await bench.slot.close()
    assert bench.newest.closed
    assert not bench.slot.ready
    assert len(bench.starter.started) == 1
    await bench.slot.close()  # twice is well, too


async def test_work_in_it_when_it_closes_fails_by_name(bench: SlotSetup, street: Image) -> None:
    await bench.slot.open(Door(OLD))
    bench.newest.open_gate.clear()
    running = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(bench.newest.batches) == 1)
    await bench.slot.close()
    with pytest.raises(WorkerDied, match="closed"):
        await running


@pytest.mark.parametrize(("why", "hope"), [("converting", True), ("refused", False), ("unavailable", False)])
async def test_retry_after_is_given_where_there_is_hope(why: Vacancy, hope: bool, bench: SlotSetup) -> None:
    assert bench.slot.unavailable().retry_after_s is not None, "it is loading"
    bench.slot.stay_vacant(why, "of a reason")
    error = bench.slot.unavailable()
    assert str(error) == f"the backend 'trt' is {why}: of a reason"
    assert (error.retry_after_s is not None) == hope
