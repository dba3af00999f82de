"""Live pairs that were timed: who is slower on a size of pictures leaves it, and comes back when mended."""

from dataclasses import replace

import pytest

from app.choices import AUTO
from app.verdicts.slowness import FEWEST_FOR_GATE, FEWEST_PAIRS, NO_STALLS
from app.verdicts.verdict import IN_FLIGHT, Word
from converter.comparison.timing import Ratio
from converter.model.detections import Detections
from converter.sizes import SizeName
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.app.pairing import pair
from tests.support.converter.rows import answer

pytestmark = pytest.mark.anyio

FAST, SLOW = (0.02, 0.01), (0.02, 0.03)  # seconds of native and the copy


def time(
    bench: ServerSetup,
    count: int,
    seconds: tuple[float, float],
    *,
    size: SizeName = "small",
    found: Detections | None = None,
) -> None:
    """So many pairs that took so long, give or take a little."""
    for number in range(count):
        native_s, copy_s = seconds[0] * (1 + 0.01 * (number % 3)), seconds[1] * (1 + 0.01 * (number % 5))
        bench.live_pairs.add(pair(found, found, size=size, native_s=native_s, copy_s=copy_s))


@pytest.fixture
async def serving(answering: ServerSetup) -> ServerSetup:
    """A frozen copy that answers small and large pictures."""
    answering.routing.record_verdict("frozen", verdict("passed", large="passed"))
    return answering


async def test_a_copy_that_becomes_slower_leaves_that_size_and_comes_back_when_mended(serving: ServerSetup) -> None:
    time(serving, FEWEST_PAIRS, SLOW, size="large")
    assert serving.routing.answers == {"small": "frozen", "medium": "native", "large": "native"}
    assert serving.counted("sizes_lost_total", copy="frozen", size="large", kind="slower") == 1
    assert serving.counted("size_active", backend="native", size="large") == 1
    told = serving.routing.standing("frozen").to_json()["slower_live"]
    assert told["large"].startswith("native ÷ frozen is 0.661 (99 % interval 0.6")
    time(serving, FEWEST_PAIRS - 1, FAST, size="large")
    assert serving.routing.answers["large"] == "native", "too few"
    time(serving, 1, FAST, size="large")
    assert serving.routing.answers["large"] == "frozen"


async def test_one_that_is_slower_everywhere_stands_by_and_says_why(answering: ServerSetup) -> None:
    time(answering, FEWEST_PAIRS, SLOW)
    state, reason = answering.told("frozen")
    assert (state, reason.startswith("slower: native ÷ frozen is 0.6")) == ("standby", True)
    assert answering.told("native")[0] == "active"


async def test_one_about_as_fast_neither_leaves_nor_comes_back(serving: ServerSetup) -> None:
    time(serving, 300, (0.0101, 0.01))
    assert serving.routing.answers["small"] == "frozen"
    time(serving, 300, SLOW)
    time(serving, 300, (0.0101, 0.01))
    assert serving.routing.answers["small"] == "native"
    assert serving.counted("sizes_lost_total") == 1


async def test_one_that_stalls_now_and_then_is_found_and_comes_back_when_mended(serving: ServerSetup) -> None:
    for _ in range(8):
        time(serving, 49, FAST)
        time(serving, 1, (0.02, 1.0))
    time(serving, 6, FAST)
    assert serving.counted("sizes_lost_total", kind="stalls") == 1
    assert serving.routing.answers["small"] == "native"
    assert "8 of its last" in serving.routing.standing("frozen").slower["small"].reason
    time(serving, NO_STALLS - 6, FAST)
    assert serving.routing.answers["small"] == "native"
    time(serving, 12, FAST)
    assert serving.routing.answers["small"] == "frozen"


async def test_stalls_of_both_are_the_machines(serving: ServerSetup) -> None:
    for _ in range(12):
        time(serving, 24, FAST)
        time(serving, 1, (0.02, 1.0))
        time(serving, 24, FAST)
        time(serving, 1, (2.0, 0.01))
    assert serving.counted("sizes_lost_total") == 0


async def test_what_the_gate_found_slower_is_judged_again_if_live_pairs_do_not(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("slower"))
    time(answering, FEWEST_FOR_GATE + 6, FAST)
    assert answering.routing.standing("frozen").again == {"small"}
    assert answering.routing.answers["small"] == "native", "not before: the gate sees more than live pairs do"
    answering.routing.standing("frozen").again.clear()
    time(answering, 2 * FEWEST_FOR_GATE - 6, FAST)
    assert answering.routing.standing("frozen").again == set(), "each time it takes longer"


@pytest.mark.parametrize("word", ["undecided", "disagrees"])
async def test_the_gate_is_not_asked_again_about_what_is_not_slower(word: Word, answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("passed", large=word, boxes=10))
    time(answering, 2 * FEWEST_FOR_GATE, FAST, size="large", found=answer())
    assert answering.routing.standing("frozen").again == set()


async def test_a_lost_size_comes_back_though_the_copy_was_rolled_back_meanwhile(serving: ServerSetup) -> None:
    time(serving, FEWEST_PAIRS, SLOW, size="large")
    serving.routing.roll_back("frozen", kind="errors", reason="it failed")
    serving.live_pairs.forgive()
    serving.routing.choose(AUTO)
    assert serving.routing.answers["large"] == "native"
    time(serving, FEWEST_PAIRS, FAST, size="large")
    assert serving.routing.answers["large"] == "frozen"


@pytest.mark.parametrize(("copy_s", "word"), [(0.01, "passed"), (0.019, "passed"), (0.02, "slower"), (0.03, "slower")])
async def test_what_the_gate_timed_badly_live_pairs_time_anew(
    copy_s: float, word: Word, answering: ServerSetup
) -> None:
    """It was disturbed: the interval with calls in flight says nothing."""
    left = verdict("undecided", boxes=30)
    sizes = replace(left.first, ratios={"1": Ratio(2.8, 2.6, 3.1, 12), IN_FLIGHT: Ratio(3.3, 0.19, 58, 10)})
    answering.routing.record_verdict("frozen", left.with_size("small", sizes))
    for _ in range(FEWEST_PAIRS - 1):
        answering.live_pairs.add(pair(native_s=0.02, copy_s=copy_s))
    assert answering.told("frozen")[1].startswith("undecided: it agrees, and was not timed often enough yet")
    answering.live_pairs.add(pair(native_s=0.02, copy_s=copy_s))
    assert answering.told("frozen")[1].startswith(f"{word}: ")
