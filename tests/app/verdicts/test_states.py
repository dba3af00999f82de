"""The state of a backend: one word of a closed list, shown as the only one, whatever its replica does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.lanes.phase import Vacancy
from app.verdicts.states import STATES, State, state_of
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[ServerSetup]:
    made = ServerSetup(saved_model)
    yield made
    await made.close()


def shown(bench: ServerSetup, name: str) -> str:
    """The one state that the metrics show; `backend_active` and `backend_ready` go with it."""
    every = [state for state in STATES if bench.counted("backend_state", backend=name, state=state)]
    assert bench.counted("backend_active", backend=name) == (every == ["active"])
    assert bench.counted("backend_ready", backend=name) == (every[0] in ("standby", "active"))
    (state,) = every
    return state


async def assert_state(bench: ServerSetup, name: str, state: State) -> None:
    assert state_of(bench.routing, name) == state
    assert shown(bench, name) == state.name


@pytest.mark.parametrize("why", ["unavailable", "converting", "refused"])
async def test_while_nobody_serves_the_state_is_the_slots(why: Vacancy, bench: ServerSetup) -> None:
    await assert_state(bench, "frozen", State("loading", "the server is starting"))
    bench.routing.lanes["frozen"].slot.stay_vacant(why, "of a reason")
    await assert_state(bench, "frozen", State(why, "of a reason"))


async def test_who_serves_is_active_or_stands_by(bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    await assert_state(bench, "frozen", State("active", "passed: for reasons of passed"))
    await assert_state(bench, "native", State("standby", "frozen agrees with native and is faster"))
    bench.routing.roll_back("frozen", kind="errors", reason="it failed")
    await assert_state(bench, "frozen", State("standby", "rolled back: it failed"))
    await assert_state(bench, "native", State("active", ""))


async def test_a_crash_is_the_state_at_once(bench: ServerSetup) -> None:
    await bench.open("native")
    bench.backend("native").die()
    await until(lambda: shown(bench, "native") == "crashed")
    assert state_of(bench.routing, "native").reason.startswith("its process ended by SIGKILL")
