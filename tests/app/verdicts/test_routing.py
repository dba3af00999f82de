"""Who answers `auto`, and the words for why the others do not."""

import pytest

from app.choices import AUTO
from app.errors import BackendUnavailable
from app.verdicts.standing import UNCOMPARED
from app.verdicts.verdict import WORDS, Verdict, Word
from tests.support.app.comparing import ServerSetup, size_verdict, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

NOT_LOADED = ("loading", "the server is starting")


def active(parts: ServerSetup) -> str | None:
    """The active backend, by the routing's word, its state and the metrics alike."""
    told = [name for name in parts.routing.lanes if parts.told(name)[0] == "active"]
    shown = [name for name in parts.routing.lanes if parts.counted("backend_active", backend=name)]
    assert told == shown
    assert len(told) <= 1
    assert parts.routing.active == (told[0] if told else None)
    return parts.routing.active


async def test_before_anything_is_loaded_nobody_answers(parts: ServerSetup) -> None:
    assert active(parts) is None
    with pytest.raises(BackendUnavailable, match="'native' is loading: the server is starting"):
        parts.routing.route(AUTO)


async def test_a_copy_that_was_not_compared_stands_by(parts: ServerSetup) -> None:
    await parts.open("native", "frozen")
    assert parts.told("native") == ("active", "")
    assert parts.told("frozen") == ("standby", UNCOMPARED)
    parts.routing.record_verdict("frozen", None, "it could not be compared: a kernel failed")
    assert parts.told("frozen") == ("standby", "it could not be compared: a kernel failed")


async def test_a_copy_that_passed_answers(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    assert active(parts) == "frozen"
    assert parts.told("frozen") == ("active", "passed: for reasons of passed")
    assert parts.told("native") == ("standby", "frozen agrees with native and is faster")
    assert parts.routing.route(AUTO).slot.name == "frozen"


@pytest.mark.parametrize("word", [word for word in WORDS if word != "passed"])
async def test_any_other_verdict_leaves_it_standing_by(word: Word, parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict(word)})
    assert active(parts) == "native"
    assert parts.told("frozen") == ("standby", f"{word}: for reasons of {word}")
    assert parts.routing.route("frozen").slot.name == "frozen", "it answers who asks for it"


@pytest.mark.parametrize("word", WORDS)
async def test_the_verdict_is_shown_as_the_only_one(word: Word, parts: ServerSetup) -> None:
    shown = {each: parts.counted("gate_verdict", copy="frozen", verdict=each) for each in ("none", *WORDS)}
    assert shown == {each: each == "none" for each in ("none", *WORDS)}
    parts.routing.record_verdict("frozen", verdict(word))
    shown = {each: parts.counted("gate_verdict", copy="frozen", verdict=each) for each in ("none", *WORDS)}
    assert shown == {each: each == word for each in ("none", *WORDS)}
    assert parts.routing.standing("frozen").to_json()["verdict"]["verdict"] == word


@pytest.mark.parametrize(("frozen", "trt", "winner"), [(1.2, 1.3, "trt"), (1.3, 1.2, "frozen")])
async def test_of_two_that_passed_the_faster_answers(
    frozen: float, trt: float, winner: str, parts: ServerSetup
) -> None:
    verdicts = {"frozen": verdict("passed", low=frozen), "trt": verdict("passed", low=trt)}
    await parts.open("native", "frozen", "trt", verdicts=verdicts)
    other = "frozen" if winner == "trt" else "trt"
    assert active(parts) == winner
    assert parts.told(other) == ("standby", f"{winner} agrees with native and is faster")
    assert parts.routing.best_copy().slot.name == winner


async def test_when_native_crashes_a_copy_that_agrees_answers_at_once(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("slower")})
    assert active(parts) == "native"
    await parts.crash("native", pause_s=0.01)
    assert active(parts) == "frozen"
    assert parts.told("frozen") == ("active", "it stands in for native; slower: for reasons of slower")
    await until(lambda: parts.routing.lanes["native"].slot.ready)
    assert active(parts) == "native"
    assert parts.told("frozen")[0] == "standby"


@pytest.mark.parametrize("word", ["disagrees", "undecided", None])
async def test_when_native_crashes_a_copy_that_may_differ_does_not_answer(
    word: Word | None, parts: ServerSetup
) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict(word)} if word else None)
    await parts.crash("native")
    assert active(parts) is None
    with pytest.raises(BackendUnavailable, match="'native' is crashed: its process ended by SIGKILL"):
        parts.routing.route(AUTO)
    assert parts.routing.alternative(parts.routing.lanes["native"]) is None


async def test_when_the_active_copy_crashes_native_answers_at_once_until_it_is_back(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    await parts.crash("frozen", pause_s=0.01)
    assert active(parts) == "native"
    assert parts.told("native") == ("active", "")
    await until(lambda: parts.routing.lanes["frozen"].slot.ready)
    assert active(parts) == "frozen", "its files are those that were judged, as far as anybody knows"


async def test_an_admins_choice_goes_before_all_verdicts(parts: ServerSetup) -> None:
    verdicts = {"frozen": verdict("passed"), "trt": verdict("disagrees")}
    await parts.open("native", "frozen", "trt", verdicts=verdicts)
    for name in ("native", "trt", "frozen"):
        parts.routing.choose(name)
        assert active(parts) == name
        assert parts.told(name) == ("active", "an admin chose it")
        others = {other: parts.told(other)[1] for other in ("native", "frozen") if other != name}
        assert set(others.values()) == {f"an admin chose {name}"}
    assert parts.told("trt") == ("standby", "disagrees: for reasons of disagrees")
    parts.routing.choose(AUTO)
    assert active(parts) == "frozen"
    assert parts.told("frozen")[1] == "passed: for reasons of passed"


async def test_a_backend_that_is_not_warm_can_not_be_chosen(parts: ServerSetup) -> None:
    await parts.open("native")
    parts.routing.lanes["trt"].slot.stay_vacant("unavailable", "no_gpu: TensorFlow sees no NVIDIA GPU")
    with pytest.raises(BackendUnavailable, match="'trt' is unavailable: no_gpu"):
        parts.routing.choose("trt")
    assert (parts.routing.chosen, active(parts)) == (AUTO, "native")


async def test_a_chosen_backend_that_crashes_is_stood_in_for(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("slower")})
    parts.routing.choose("frozen")
    await parts.crash("frozen", pause_s=0.01)
    assert (active(parts), parts.told("native")) == ("native", ("active", ""))
    await until(lambda: parts.routing.lanes["frozen"].slot.ready)
    assert parts.told("frozen") == ("active", "an admin chose it")


async def test_a_crash_is_answered_elsewhere_by_who_agrees_native_first(parts: ServerSetup) -> None:
    verdicts = {"frozen": verdict("slower"), "trt": verdict("passed")}
    await parts.open("native", "frozen", "trt", verdicts=verdicts)
    lanes = parts.routing.lanes
    assert parts.routing.alternative(lanes["trt"]) is lanes["native"]
    assert parts.routing.alternative(lanes["native"]) is lanes["frozen"]
    parts.routing.roll_back("frozen", kind="errors", reason="it failed")
    assert parts.routing.alternative(lanes["native"]) is lanes["trt"]


async def test_the_copy_to_compare_is_the_active_one_else_the_best_that_is_warm(parts: ServerSetup) -> None:
    await parts.open("native")
    with pytest.raises(BackendUnavailable, match="no copy to compare native with: frozen is loading; trt is loading"):
        parts.routing.best_copy()
    await parts.open("trt", verdicts={"trt": verdict("disagrees", low=2)})
    assert parts.routing.best_copy().slot.name == "trt", "the only one"
    await parts.open("frozen", verdicts={"frozen": verdict("slower", low=0.9)})
    assert parts.routing.best_copy().slot.name == "frozen", "it agrees"
    parts.routing.choose("trt")
    assert parts.routing.best_copy().slot.name == "trt"


async def test_ready_means_that_auto_is_answered(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("disagrees")})
    assert parts.parts.health.unready() is None
    await parts.crash("native")
    assert "native is crashed" in str(parts.parts.health.unready()), "a copy is warm, but may not answer"
    parts.routing.record_verdict("frozen", verdict("slower"))
    assert parts.parts.health.unready() is None


async def test_each_size_class_is_answered_by_who_gains_there(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("passed", medium="slower")})
    by_pixels = {pixels: parts.routing.route(AUTO, pixels).slot.name for pixels in (0, 500_000, 500_001, 12_000_000)}
    assert by_pixels == {0: "frozen", 500_000: "frozen", 500_001: "native", 12_000_000: "native"}, "large: not judged"
    assert parts.routing.answers == {"small": "frozen", "medium": "native", "large": "native"}
    assert active(parts) == "frozen"
    native = "frozen agrees with native and is faster, but native answers pictures 0.5 to 4 MP"
    assert parts.told("native") == ("standby", native)
    parts.routing.choose("frozen")
    assert set(parts.routing.answers.values()) == {"frozen"}, "an admin means all"


async def test_of_two_copies_each_answers_the_sizes_at_which_it_is_the_faster(parts: ServerSetup) -> None:
    good, best = size_verdict("passed", low=1.2), size_verdict("passed", low=1.4)
    verdicts = {"frozen": Verdict({"small": good, "large": best}), "trt": Verdict({"small": best, "large": good})}
    await parts.open("native", "frozen", "trt", verdicts=verdicts)
    assert parts.routing.answers == {"small": "trt", "medium": "native", "large": "frozen"}


async def test_who_stands_in_for_native_agrees_on_the_pictures_size(parts: ServerSetup) -> None:
    await parts.open("native", "frozen", verdicts={"frozen": verdict("slower", large="disagrees")})
    native, frozen = (parts.routing.lanes[name] for name in ("native", "frozen"))
    assert parts.routing.alternative(native, ["small", "medium"]) is frozen, "medium was not judged"
    assert parts.routing.alternative(native, ["small", "large"]) is None
