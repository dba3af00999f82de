"""The state of a backend: one word of a closed list, shown as the only one, whatever its replica does."""

import pytest

from app.lanes.phase import Vacancy
from app.verdicts.states import STATES, State, state_of
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


def shown(parts: ServerSetup, name: str) -> str:
    """The one state that the metrics show; `backend_active` and `backend_ready` go with it."""
    every = [state for state in STATES if parts.counted("backend_state", backend=name, state=state)]
    assert parts.counted("backend_active", backend=name) == (every == ["active"])
    assert parts.counted("backend_ready", backend=name) == (every[0] in ("standby", "active"))
    (state,) = every
    return state


async def assert_state(parts: ServerSetup, name: str, state: State) -> None:
    assert state_of(parts.routing, name) == state
    assert shown(parts, name) == state.name


@pytest.mark.parametrize("why", ["unavailable", "converting", "refused"])
async def test_while_nobody_serves_the_state_is_the_slots(why: Vacancy, parts: ServerSetup) -> None:
    await assert_state(parts, "frozen", State("loading", "the server is starting"))
    parts.routing.lanes["frozen"].slot.stay_vacant(why, "of a reason")
    await assert_state(parts, "frozen", State(why, "of a reason"))


async def test_who_serves_is_active_or_stands_by(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    await assert_state(parts, "frozen", State("active", "passed: for reasons of passed"))
    await assert_state(parts, "native", State("standby", "frozen agrees with native and is faster"))
    parts.routing.roll_back("frozen", kind="errors", reason="it failed")
    await assert_state(parts, "frozen", State("standby", "rolled back: it failed"))
    await assert_state(parts, "native", State("active", ""))


async def test_a_crash_is_the_state_at_once(parts: ServerSetup) -> None:
    await parts.open("native")
    parts.backend("native").die()
    await until(lambda: shown(parts, "native") == "crashed")
    assert state_of(parts.routing, "native").reason.startswith("its process ended by SIGKILL")
