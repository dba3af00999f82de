import asyncio
from pathlib import Path

import pytest

from app.backends.backend import ModelRefused, Spec, WorkerDied
from app.errors import BackendUnavailable
from app.images import Image
from app.lanes.slot import FIRST_PAUSE_S, Slot
from tests.support.fakes import FakeBackend, FakeStarter, until

pytestmark = pytest.mark.anyio

OLD, NEW = (Spec("trt", Path(f"street/{version}_trt"), max_batch=8) for version in (1, 2))


class Bench:
    """A slot and what has happened to it, in order."""

    def __init__(self, *failures: Exception) -> None:
        self.starter = FakeStarter(*failures)
        self.states: list[str] = []
        self.reasons: list[str] = []
        self.restarts: list[str] = []
        self.slot = Slot("trt", self.starter, changed=self._changed, restarting=self.restarts.append)

    def _changed(self, slot: Slot) -> None:
        self.states.append(slot.state)
        self.reasons.append(slot.reason)

    @property
    def newest(self) -> FakeBackend:
        return self.starter.started[-1]


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_before_anything_is_opened_it_says_so(bench: Bench, street: Image) -> None:
    slot = bench.slot
    assert (slot.state, slot.reason, slot.ready, slot.facts) == ("loading", "the server is starting", False, None)
    with pytest.raises(BackendUnavailable, match="'trt' is loading: the server is starting"):
        await slot.run([street])


async def test_opening_loads_and_then_serves(bench: Bench, street: Image) -> None:
    await bench.slot.open(OLD)
    assert bench.states == ["loading", "standby"]
    assert "1_trt" in bench.reasons[0]
    assert bench.slot.ready
    assert bench.slot.facts == bench.newest.facts
    (detections,) = await bench.slot.run([street])
    assert detections.classes.tolist() == [street.width]


async def test_the_state_in_which_it_rests_may_change_before_and_while_it_serves(bench: Bench) -> None:
    bench.slot.rest_as("active")
    await bench.slot.open(OLD)
    bench.slot.rest_as("standby", "it is slower than native")
    assert bench.states == ["loading", "active", "standby"]
    assert bench.slot.reason == "it is slower than native"


async def test_a_swap_starts_warms_publishes_drains_and_then_closes(bench: Bench, street: Image) -> None:
    await bench.slot.open(OLD)
    old = bench.newest
    old.open_gate.clear()
    in_old = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(old.batches) == 1)
    bench.starter.open_gate.clear()
    swap = asyncio.create_task(bench.slot.open(NEW))
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
    assert bench.states == ["loading", "standby", "standby"]


@pytest.mark.parametrize("failure", [ModelRefused("it has no signature"), WorkerDied("it ended by SIGABRT")])
async def test_a_failure_before_publish_leaves_the_old_one_serving(
    failure: Exception, bench: Bench, street: Image
) -> None:
    await bench.slot.open(OLD)
    old = bench.newest
    bench.starter.failures = [failure]
    with pytest.raises(type(failure)):
        await bench.slot.open(NEW)
    await bench.slot.run([street])
    assert len(old.batches) == 1
    assert (bench.slot.state, old.closed, bench.starter.asked) == ("standby", False, [OLD, NEW])


@pytest.mark.parametrize(
    ("failure", "state"),
    [(ModelRefused("it has no signature"), "refused"), (WorkerDied("it ended by SIGABRT"), "crashed")],
)
async def test_a_first_model_that_does_not_start_says_why(failure: Exception, state: str, street: Image) -> None:
    bench = Bench(failure)
    with pytest.raises(type(failure)):
        await bench.slot.open(OLD)
    assert bench.slot.state == state
    with pytest.raises(BackendUnavailable, match=str(failure)):
        await bench.slot.run([street])


async def test_a_swap_that_is_given_up_while_it_drains_still_ends_the_old_one(bench: Bench, street: Image) -> None:
    await bench.slot.open(OLD)
    old = bench.newest
    old.open_gate.clear()
    in_old = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(old.batches) == 1)
    swap = asyncio.create_task(bench.slot.open(NEW))
    await until(lambda: len(bench.starter.started) == 2)
    swap.cancel()
    await asyncio.wait([swap])
    await bench.slot.close()
    assert old.closed
    assert bench.newest.closed
    with pytest.raises(WorkerDied):
        await in_old


async def test_a_crash_is_told_at_once_and_the_same_model_started_again(bench: Bench, street: Image) -> None:
    bench.slot.rest_as("active")
    await bench.slot.open(OLD)
    dead = bench.newest
    dead.die("its process ended by SIGKILL")
    await until(lambda: bench.slot.state == "crashed")
    assert not bench.slot.ready
    assert bench.slot.reason == f"its process ended by SIGKILL; it is started again after {FIRST_PAUSE_S:g} s"
    with pytest.raises(BackendUnavailable, match="crashed: its process ended by SIGKILL") as caught:
        await bench.slot.run([street])
    assert caught.value.retry_after_s is not None
    assert bench.restarts == []
    await until(lambda: bench.slot.ready)
    assert bench.states == ["loading", "active", "crashed", "loading", "active"]
    assert bench.restarts == ["crashed"]
    assert bench.starter.asked == [OLD, OLD]
    assert dead.closed
    await bench.slot.close()


async def test_no_state_says_active_while_nothing_serves(bench: Bench) -> None:
    """From the death on: requests that still come must be told of the crash, not of a backend that is active."""
    await bench.slot.open(OLD)
    seen: list[tuple[bool, str]] = []
    bench.newest.closing = lambda: seen.append((bench.slot.ready, bench.slot.state))
    bench.newest.die()
    await until(lambda: bool(seen))
    assert seen == [(False, "crashed")]
    await bench.slot.close()


async def test_the_pause_doubles_while_it_crashes_again(bench: Bench) -> None:
    await bench.slot.open(OLD)
    bench.starter.failures = [WorkerDied("it ended by SIGABRT")]
    bench.newest.die()
    await until(lambda: bench.states.count("crashed") == 2)
    assert bench.slot.reason == f"it ended by SIGABRT; it is started again after {2 * FIRST_PAUSE_S:g} s"
    assert bench.restarts == ["crashed"]
    await bench.slot.close()


async def test_a_model_refused_at_its_restart_stays_refused(bench: Bench) -> None:
    await bench.slot.open(OLD)
    bench.starter.failures = [ModelRefused("its variables are gone")]
    bench.newest.die()
    await until(lambda: bench.slot.state == "refused")
    assert bench.slot.reason == "its variables are gone"
    assert bench.slot.unavailable().retry_after_s is None
    await bench.slot.close()


@pytest.mark.parametrize("when", ["in the pause", "while the restart loads"])
async def test_a_swap_during_a_restart_wins(when: str, bench: Bench, street: Image) -> None:
    before = asyncio.all_tasks()
    await bench.slot.open(OLD)
    watching = asyncio.all_tasks() - before
    bench.newest.die()
    await until(lambda: bench.slot.state == "crashed")
    if when == "while the restart loads":
        bench.starter.open_gate.clear()
        await until(lambda: bench.starter.asked == [OLD, OLD])
    swap = asyncio.create_task(bench.slot.open(NEW))
    bench.starter.open_gate.set()
    await swap
    await asyncio.wait(watching)  # whatever the restart does, it has been done
    await bench.slot.run([street])
    assert (bench.newest.spec, len(bench.newest.batches)) == (NEW, 1)
    assert [backend.closed for backend in bench.starter.started] == [True] * (len(bench.starter.started) - 1) + [False]
    assert bench.slot.state == "standby"
    await bench.slot.close()


async def test_the_death_of_one_that_was_swapped_out_changes_nothing(bench: Bench) -> None:
    before = asyncio.all_tasks()
    await bench.slot.open(OLD)
    watching = asyncio.all_tasks() - before
    await bench.slot.open(NEW)
    await asyncio.wait(watching)
    assert bench.starter.started[0].closed
    assert bench.states == ["loading", "standby", "standby"]
    assert bench.restarts == []
    await bench.slot.close()


@pytest.mark.parametrize("crashed", [False, True], ids=["serving", "crashed"])
async def test_closing_ends_everything(crashed: bool, bench: Bench) -> None:
    await bench.slot.open(OLD)
    if crashed:
        bench.newest.die()
        await until(lambda: bench.slot.state == "crashed")
    await bench.slot.close()
    assert bench.newest.closed
    assert not bench.slot.ready
    assert len(bench.starter.started) == 1
    await bench.slot.close()  # twice is well, too


async def test_work_in_it_when_it_closes_fails_by_name(bench: Bench, street: Image) -> None:
    await bench.slot.open(OLD)
    bench.newest.open_gate.clear()
    running = asyncio.create_task(bench.slot.run([street]))
    await until(lambda: len(bench.newest.batches) == 1)
    await bench.slot.close()
    with pytest.raises(WorkerDied, match="closed"):
        await running


@pytest.mark.parametrize(
    ("state", "hope"), [("loading", True), ("crashed", True), ("converting", True), ("refused", False)]
)
def test_retry_after_is_given_where_there_is_hope(state: str, hope: bool) -> None:
    slot = Slot("trt", FakeStarter())
    slot.set_state(state, "of a reason")
    error = slot.unavailable()
    assert str(error) == f"the backend 'trt' is {state}: of a reason"
    assert (error.retry_after_s is not None) == hope
