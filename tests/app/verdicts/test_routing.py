"""Who answers `auto`, and the words for why the others do not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.errors import BackendUnavailable
from app.verdicts.gate import WORDS, Word
from app.verdicts.routing import AUTO, UNCOMPARED
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

NOT_LOADED = ("loading", "the server is starting")


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[ServerSetup]:
    made = ServerSetup(saved_model)
    yield made
    await made.close()


def active(bench: ServerSetup) -> str | None:
    """The active backend, by the routing's word, its state and the metrics alike."""
    told = [name for name in bench.routing.lanes if bench.told(name)[0] == "active"]
    shown = [name for name in bench.routing.lanes if bench.counted("backend_active", backend=name)]
    assert told == shown
    assert len(told) <= 1
    assert bench.routing.active == (told[0] if told else None)
    return bench.routing.active


async def test_before_anything_is_loaded_nobody_answers(bench: ServerSetup) -> None:
    assert active(bench) is None
    with pytest.raises(BackendUnavailable, match="'native' is loading: the server is starting"):
        bench.routing.route(AUTO)


async def test_a_copy_that_was_not_compared_stands_by(bench: ServerSetup) -> None:
    await bench.open("native", "frozen")
    assert bench.told("native") == ("active", "")
    assert bench.told("frozen") == ("standby", UNCOMPARED)
    bench.routing.record_verdict("frozen", None, "it could not be compared: a kernel failed")
    assert bench.told("frozen") == ("standby", "it could not be compared: a kernel failed")


async def test_a_copy_that_passed_answers(bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    assert active(bench) == "frozen"
    assert bench.told("frozen") == ("active", "passed: for reasons of passed")
    assert bench.told("native") == ("standby", "frozen agrees with native and is faster")
    assert bench.routing.route(AUTO).slot.name == "frozen"


@pytest.mark.parametrize("word", [word for word in WORDS if word != "passed"])
async def test_any_other_verdict_leaves_it_standing_by(word: Word, bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict(word)})
    assert active(bench) == "native"
    assert bench.told("frozen") == ("standby", f"{word}: for reasons of {word}")
    assert bench.routing.route("frozen").slot.name == "frozen", "it answers who asks for it"


@pytest.mark.parametrize("word", WORDS)
async def test_the_verdict_is_shown_as_the_only_one(word: Word, bench: ServerSetup) -> None:
    shown = {each: bench.counted("gate_verdict", copy="frozen", verdict=each) for each in ("none", *WORDS)}
    assert shown == {each: each == "none" for each in ("none", *WORDS)}
    bench.routing.record_verdict("frozen", verdict(word))
    shown = {each: bench.counted("gate_verdict", copy="frozen", verdict=each) for each in ("none", *WORDS)}
    assert shown == {each: each == word for each in ("none", *WORDS)}
    assert bench.routing.standing("frozen").to_json()["verdict"]["verdict"] == word


@pytest.mark.parametrize(("frozen", "trt", "winner"), [(1.2, 1.3, "trt"), (1.3, 1.2, "frozen")])
async def test_of_two_that_passed_the_faster_answers(
    frozen: float, trt: float, winner: str, bench: ServerSetup
) -> None:
    verdicts = {"frozen": verdict("passed", low=frozen), "trt": verdict("passed", low=trt)}
    await bench.open("native", "frozen", "trt", verdicts=verdicts)
    other = "frozen" if winner == "trt" else "trt"
    assert active(bench) == winner
    assert bench.told(other) == ("standby", f"{winner} agrees with native and is faster")
    assert bench.routing.best_copy().slot.name == winner


async def test_when_native_crashes_a_copy_that_agrees_answers_at_once(bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict("slower")})
    assert active(bench) == "native"
    bench.backend("native").die()
    await until(lambda: bench.told("native")[0] == "crashed")
    assert active(bench) == "frozen"
    assert bench.told("frozen") == ("active", "it stands in for native; slower: for reasons of slower")
    await until(lambda: bench.routing.lanes["native"].slot.ready)
    assert active(bench) == "native"
    assert bench.told("frozen")[0] == "standby"


@pytest.mark.parametrize("word", ["disagrees", "undecided", None])
async def test_when_native_crashes_a_copy_that_may_differ_does_not_answer(
    word: Word | None, bench: ServerSetup
) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict(word)} if word else None)
    bench.backend("native").die()
    await until(lambda: bench.told("native")[0] == "crashed")
    assert active(bench) is None
    with pytest.raises(BackendUnavailable, match="'native' is crashed: its process ended by SIGKILL"):
        bench.routing.route(AUTO)
    assert bench.routing.alternative(bench.routing.lanes["native"]) is None


async def test_when_the_active_copy_crashes_native_answers_at_once_until_it_is_back(bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    bench.backend("frozen").die()
    await until(lambda: bench.told("frozen")[0] == "crashed")
    assert active(bench) == "native"
    assert bench.told("native") == ("active", "")
    await until(lambda: bench.routing.lanes["frozen"].slot.ready)
    assert active(bench) == "frozen", "its files are those that were judged, as far as anybody knows"


async def test_an_admins_choice_goes_before_all_verdicts(bench: ServerSetup) -> None:
    verdicts = {"frozen": verdict("passed"), "trt": verdict("disagrees")}
    await bench.open("native", "frozen", "trt", verdicts=verdicts)
    for name in ("native", "trt", "frozen"):
        bench.routing.choose(name)
        assert active(bench) == name
        assert bench.told(name) == ("active", "an admin chose it")
        others = {other: bench.told(other)[1] for other in ("native", "frozen") if other != name}
        assert set(others.values()) == {f"an admin chose {name}"}
    assert bench.told("trt") == ("standby", "disagrees: for reasons of disagrees")
    bench.routing.choose(AUTO)
    assert active(bench) == "frozen"
    assert bench.told("frozen")[1] == "passed: for reasons of passed"


async def test_a_backend_that_is_not_warm_can_not_be_chosen(bench: ServerSetup) -> None:
    await bench.open("native")
    bench.routing.lanes["trt"].slot.stay_vacant("unavailable", "no_gpu: TensorFlow sees no NVIDIA GPU")
    with pytest.raises(BackendUnavailable, match="'trt' is unavailable: no_gpu"):
        bench.routing.choose("trt")
    assert (bench.routing.chosen, active(bench)) == (AUTO, "native")


async def test_a_chosen_backend_that_crashes_is_stood_in_for(bench: ServerSetup) -> None:
    await bench.open("native", "frozen", verdicts={"frozen": verdict("slower")})
    bench.routing.choose("frozen")
    bench.backend("frozen").die()
    await until(lambda: bench.told("frozen")[0] == "crashed")
    assert (active(bench), bench.told("native")) == ("native", ("active", ""))
    await until(lambda: bench.routing.lanes["frozen"].slot.ready)
    assert bench.told("frozen") == ("active", "an admin chose it")


async def test_a_crash_is_answered_elsewhere_by_who_agrees_native_first(bench: ServerSetup) -> None:
    verdicts = {"frozen": verdict("slower"), "trt": verdict("passed")}
    await bench.open("native", "frozen", "trt", verdicts=verdicts)
    lanes = bench.routing.lanes
    assert bench.routing.alternative(lanes["trt"]) is lanes["native"]
    assert bench.routing.alternative(lanes["native"]) is lanes["frozen"]
    bench.routing.roll_back("frozen", kind="errors", reason="it failed")
    assert bench.routing.alternative(lanes["native"]) is lanes["trt"]


async def test_the_copy_to_compare_is_the_active_one_else_the_best_that_is_warm(bench: ServerSetup) -> None:
    await bench.open("native")
    with pytest.raises(BackendUnavailable, match="no copy to compare native with: frozen is loading; trt is loading"):
        bench.routing.best_copy()
    await bench.open("trt", verdicts={"trt": verdict("disagrees", low=2)})
    assert bench.routing.best_copy().slot.name == "trt", "the only one"
    await bench.open("frozen", verdicts={"frozen": verdict("slower", low=0.9)})
    assert bench.routing.best_copy().slot.name == "frozen", "it agrees"
    bench.routing.choose("trt")
    assert bench.routing.best_copy().slot.name == "trt"
