"""A copy that was taken out of `auto` comes back on an admin's word alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.verdicts.gate import Word
from app.verdicts.routing import AUTO
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

WHY = "it disagreed in 30 of the last 100 pairs"


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[ServerSetup]:
    """Native and a frozen copy that passed, which answers."""
    made = ServerSetup(saved_model)
    await made.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    assert made.routing.active == "frozen"
    yield made
    await made.close()


def roll_back(bench: ServerSetup, copy: str = "frozen") -> None:
    bench.routing.roll_back(copy, kind="disagreement", reason=WHY)


async def test_native_answers_again_and_the_reason_is_told(bench: ServerSetup) -> None:
    roll_back(bench)
    assert bench.told("native") == ("active", "")
    assert bench.told("frozen") == ("standby", f"rolled back: {WHY}")
    told = bench.routing.standing("frozen").to_json()
    assert (told["rolled_back"], told["verdict"]["verdict"]) == (WHY, "passed")


async def test_it_is_counted_once(bench: ServerSetup) -> None:
    for _ in range(3):
        roll_back(bench)
    assert bench.counted("rollbacks_total", copy="frozen", reason="disagreement") == 1
    assert bench.counted("rollbacks_total") == 1


async def test_the_next_best_copy_takes_its_place(bench: ServerSetup) -> None:
    await bench.open("trt", verdicts={"trt": verdict("passed", low=1.1)})
    assert bench.routing.active == "frozen"
    roll_back(bench)
    assert bench.routing.active == "trt"


async def test_neither_a_restart_nor_a_crash_of_native_brings_it_back(bench: ServerSetup) -> None:
    roll_back(bench)
    bench.backend("frozen").die()
    await until(lambda: bench.told("frozen")[0] == "crashed")
    await until(lambda: bench.routing.lanes["frozen"].slot.ready)
    assert bench.told("frozen") == ("standby", f"rolled back: {WHY}")
    bench.backend("native").die()
    await until(lambda: bench.told("native")[0] == "crashed")
    assert bench.routing.active is None


async def test_auto_by_an_admins_word_brings_it_back(bench: ServerSetup) -> None:
    roll_back(bench)
    bench.routing.choose("native")
    assert bench.told("frozen")[1] == f"rolled back: {WHY}"
    bench.routing.choose(AUTO)
    assert bench.told("frozen") == ("active", "passed: for reasons of passed")
    assert bench.routing.standing("frozen").rolled_back is None


async def test_an_admin_may_choose_it_in_spite(bench: ServerSetup) -> None:
    roll_back(bench)
    bench.routing.choose("frozen")
    assert bench.told("frozen") == ("active", "an admin chose it")
    assert bench.routing.standing("frozen").rolled_back == WHY
    roll_back(bench)
    assert bench.routing.active == "frozen", "the admin knows of it"
    assert bench.counted("rollbacks_total") == 1


async def test_a_choice_that_was_made_before_is_undone_too(bench: ServerSetup) -> None:
    bench.routing.choose("frozen")
    roll_back(bench)
    assert (bench.routing.chosen, bench.routing.active) == (AUTO, "native")


@pytest.mark.parametrize("chosen", [AUTO, "trt"])
@pytest.mark.parametrize("word", ["disagrees", "undecided", None])
async def test_a_copy_that_never_agreed_has_nothing_to_be_rolled_back_from(
    word: Word | None, chosen: str, bench: ServerSetup
) -> None:
    await bench.open("trt", verdicts={"trt": verdict(word)} if word else None)
    bench.routing.choose(chosen)
    before = bench.told("trt")
    roll_back(bench, "trt")
    assert (bench.told("trt"), bench.routing.standing("trt").rolled_back) == (before, None)
    assert bench.counted("rollbacks_total") == 0


async def test_a_new_verdict_forgets_it(bench: ServerSetup) -> None:
    roll_back(bench)
    bench.routing.record_verdict("frozen", verdict("passed", low=1.2))
    assert bench.told("frozen") == ("active", "passed: for reasons of passed")
