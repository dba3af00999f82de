"""A copy that was taken out of `auto` comes back on an admin's word alone."""

import pytest

from app.choices import AUTO
from app.verdicts.verdict import Word
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

WHY = "it disagreed in 30 of the last 100 pairs"


def roll_back(answering: ServerSetup, copy: str = "frozen") -> None:
    answering.routing.roll_back(copy, kind="disagreement", reason=WHY)


async def test_native_answers_again_and_the_reason_is_told(answering: ServerSetup) -> None:
    roll_back(answering)
    assert answering.told("native") == ("active", "")
    assert answering.told("frozen") == ("standby", f"rolled back: {WHY}")
    told = answering.routing.standing("frozen").to_json()
    assert (told["rolled_back"], told["verdict"]["verdict"]) == (WHY, "passed")


async def test_it_is_counted_once(answering: ServerSetup) -> None:
    for _ in range(3):
        roll_back(answering)
    assert answering.counted("rollbacks_total", copy="frozen", reason="disagreement") == 1
    assert answering.counted("rollbacks_total") == 1


async def test_the_next_best_copy_takes_its_place(answering: ServerSetup) -> None:
    await answering.open("trt", verdicts={"trt": verdict("passed", low=1.1)})
    assert answering.routing.active == "frozen"
    roll_back(answering)
    assert answering.routing.active == "trt"


async def test_neither_a_restart_nor_a_crash_of_native_brings_it_back(answering: ServerSetup) -> None:
    roll_back(answering)
    await answering.crash("frozen", pause_s=0.01)
    await until(lambda: answering.routing.lanes["frozen"].slot.ready)
    assert answering.told("frozen") == ("standby", f"rolled back: {WHY}")
    await answering.crash("native")
    assert answering.routing.active is None


async def test_auto_by_an_admins_word_brings_it_back(answering: ServerSetup) -> None:
    roll_back(answering)
    answering.routing.choose("native")
    assert answering.told("frozen")[1] == f"rolled back: {WHY}"
    answering.routing.choose(AUTO)
    assert answering.told("frozen") == ("active", "passed: for reasons of passed")
    assert answering.routing.standing("frozen").rolled_back is None


async def test_an_admin_may_choose_it_in_spite(answering: ServerSetup) -> None:
    roll_back(answering)
    answering.routing.choose("frozen")
    assert answering.told("frozen") == ("active", "an admin chose it")
    assert answering.routing.standing("frozen").rolled_back == WHY
    roll_back(answering)
    assert answering.routing.active == "frozen", "the admin knows of it"
    assert answering.counted("rollbacks_total") == 1


async def test_a_choice_that_was_made_before_is_undone_too(answering: ServerSetup) -> None:
    answering.routing.choose("frozen")
    roll_back(answering)
    assert (answering.routing.chosen, answering.routing.active) == (AUTO, "native")


@pytest.mark.parametrize("chosen", [AUTO, "trt"])
@pytest.mark.parametrize("word", ["disagrees", "undecided", None])
async def test_a_copy_that_never_agreed_has_nothing_to_be_rolled_back_from(
    word: Word | None, chosen: str, answering: ServerSetup
) -> None:
    await answering.open("trt", verdicts={"trt": verdict(word)} if word else None)
    answering.routing.choose(chosen)
    before = answering.told("trt")
    roll_back(answering, "trt")
    assert (answering.told("trt"), answering.routing.standing("trt").rolled_back) == (before, None)
    assert answering.counted("rollbacks_total") == 0


async def test_a_new_verdict_forgets_it(answering: ServerSetup) -> None:
    roll_back(answering)
    answering.routing.record_verdict("frozen", verdict("passed", low=1.2))
    assert answering.told("frozen") == ("active", "passed: for reasons of passed")
