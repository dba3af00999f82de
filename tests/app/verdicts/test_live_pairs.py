"""The window of live pairs: what it tells, when it decides, and when it takes a copy out of `auto`."""

from pathlib import Path

import pytest

from app.verdicts.gate import Word
from app.verdicts.live_pairs import FEWEST_FOR_ROLLBACK
from app.verdicts.window import FEWEST_FOR_RATIO
from converter.model.detections import Detections
from tests.app.verdicts.conftest import WINDOW
from tests.support.app.comparing import CAT, DOG, ServerSetup, verdict
from tests.support.app.pairing import add, failed, pair, window, wrong
from tests.support.converter.rows import Row, answer

pytestmark = pytest.mark.anyio


def test_without_pairs_there_are_no_numbers(saved_model: Path) -> None:
    told = window(ServerSetup(saved_model))
    assert (told["pairs"], told["disagree"], told["errors"], told["native_over_copy"]) == (0, 0, 0, None)
    assert (told["worst"], told["agreement"]["mean_iou"]) == ([], None)


async def test_pairs_are_counted_by_copy_source_and_result(answering: ServerSetup) -> None:
    for each in (pair(), pair(source="both"), wrong(), failed(), pair(copy="trt")):
        answering.live_pairs.add(each)
    for result, source, copy in (
        ("agree", "shadow", "frozen"),
        ("agree", "both", "frozen"),
        ("disagree", "shadow", "frozen"),
        ("error", "shadow", "frozen"),
        ("agree", "shadow", "trt"),
    ):
        assert answering.counted("compare_pairs_total", copy=copy, source=source, result=result) == 1
    assert answering.counted("compare_pairs_total") == 5
    told = window(answering)
    assert (told["pairs"], told["disagree"], told["errors"]) == (4, 1, 1)
    assert window(answering, "trt")["pairs"] == 1


async def test_boxes_are_observed_by_how_they_differ(answering: ServerSetup) -> None:
    bird: Row = (70, 70, 90, 90, 0.7, 16)
    moved: Row = (10, 10, 50, 37, 0.87, 18)  # nine tenths of the dog, 0.03 less sure
    flipped: Row = (*CAT[:5], 16)
    answering.live_pairs.add(pair(answer(DOG, CAT), answer(moved, flipped, bird)))
    kinds = {kind: answering.counted("compare_boxes_total", kind=kind) for kind in ("matched", "missing", "extra")}
    assert kinds == {"matched": 1, "missing": 0, "extra": 1}
    assert answering.counted("compare_boxes_total", kind="class_flip") == 1
    assert answering.counted("compare_iou_sum", copy="frozen") == pytest.approx(0.9)
    assert answering.counted("compare_score_abs_diff_sum", copy="frozen") == pytest.approx(0.03, abs=1e-6)
    assert answering.counted("compare_iou_count") == answering.counted("compare_score_abs_diff_count") == 1
    agreement = window(answering)["agreement"]
    assert (agreement["native_boxes"], agreement["matched_share"]) == (2, 0.3333)


async def test_a_single_box_is_enough_to_agree_or_not(answering: ServerSetup) -> None:
    for each, agree in ((pair(), True), (wrong(), False), (pair(answer(), answer()), True)):
        told = answering.live_pairs.judge(each).to_json()
        assert (told["agree"], told["reason"] == "") == (agree, agree)
    for score, agree in ((0.86, True), (0.84, False)):
        assert answering.live_pairs.judge(pair(answer(DOG), answer((*DOG[:4], score, DOG[5])))).agrees == agree


async def test_only_pairs_that_were_timed_tell_of_speed(answering: ServerSetup) -> None:
    for _ in range(FEWEST_FOR_RATIO - 1):
        answering.live_pairs.add(pair(native_s=0.02, copy_s=0.01))
    add(answering, good=5, failing=2)
    assert window(answering)["native_over_copy"] is None, "too few"
    answering.live_pairs.add(pair(native_s=0.02, copy_s=0.01))
    assert window(answering)["native_over_copy"] == {"value": 2, "low": 2, "high": 2, "pairs": FEWEST_FOR_RATIO}
    assert answering.counted("compare_latency_ratio_count", copy="frozen") == FEWEST_FOR_RATIO
    assert answering.counted("compare_latency_ratio_sum", copy="frozen") == 2 * FEWEST_FOR_RATIO


async def test_a_copy_is_not_rolled_back_on_few_pairs(answering: ServerSetup) -> None:
    add(answering, bad=FEWEST_FOR_ROLLBACK - 1)
    assert answering.routing.active == "frozen"
    add(answering, bad=1)
    assert answering.routing.active == "native"
    assert answering.told("frozen")[1].startswith(
        "rolled back: it disagreed in 20 of the last 20 pairs (10 % are borne), last: 0 % of 2 boxes matched"
    )


@pytest.mark.parametrize(
    ("kinds", "rolled_back"),
    [
        ({"bad": 2}, None),  # a tenth of 20 is borne
        ({"bad": 3}, "disagreement"),
        ({"failing": 2}, None),
        ({"failing": 3}, "errors"),
        ({"bad": 2, "failing": 2}, None),  # each has its own share
        ({"bad": 3, "failing": 3}, "errors"),
    ],
)
async def test_a_share_over_the_limit_rolls_back(
    kinds: dict[str, int], rolled_back: str | None, answering: ServerSetup
) -> None:
    add(answering, **kinds)
    add(answering, good=20 - sum(kinds.values()))
    assert answering.routing.active == ("native" if rolled_back else "frozen")
    assert answering.counted("rollbacks_total") == (rolled_back is not None)
    if rolled_back:
        assert answering.counted("rollbacks_total", copy="frozen", reason=rolled_back) == 1


async def test_a_copy_that_fails_says_how(answering: ServerSetup) -> None:
    add(answering, failing=20)
    assert answering.told("frozen")[1] == (
        "rolled back: it failed in 20 of the last 20 pairs (10 % are borne), last: the copy failed: out of memory"
    )


async def test_only_the_last_pairs_count(answering: ServerSetup) -> None:
    add(answering, good=17, bad=2)
    for _ in range(5):
        add(answering, good=WINDOW - 2, bad=2)
    assert answering.routing.active == "frozen"
    assert (window(answering)["pairs"], window(answering)["disagree"]) == (WINDOW, 2)
    add(answering, bad=2)
    assert answering.routing.active == "native", "4 of the last 30"


async def test_every_copy_has_its_own_window(answering: ServerSetup) -> None:
    await answering.open("trt", verdicts={"trt": verdict("passed", low=1.1)})
    add(answering, good=20)
    add(answering, bad=20, copy="trt")
    assert answering.routing.standing("frozen").rolled_back is None
    assert answering.routing.standing("trt").rolled_back


@pytest.mark.parametrize(
    ("low", "found", "word"),
    [(1.5, answer(DOG, CAT), "passed"), (0.9, answer(DOG, CAT), "slower"), (1.5, answer(DOG), "disagrees")],
)
async def test_live_pairs_finish_a_verdict_that_was_left_open(
    low: float, found: Detections, word: Word, answering: ServerSetup
) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", low=low, boxes=10))
    for _ in range(4):
        answering.live_pairs.add(pair(answer(DOG, CAT), found))
    assert answering.told("frozen")[1].startswith("undecided: ")
    answering.live_pairs.add(pair(answer(DOG, CAT), found))  # 10 boxes and 5 times 2
    told = answering.routing.standing("frozen").verdict
    assert told is not None
    assert (told.word, told.agreement["8"].native_boxes, told.ratios["1"].low) == (word, 20, low)
    assert answering.told("frozen") == ("active" if word == "passed" else "standby", f"{word}: {told.reason}")
    assert answering.counted("gate_verdict", copy="frozen", verdict=word) == 1


async def test_pictures_without_boxes_decide_nothing(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=0))
    for _ in range(50):
        answering.live_pairs.add(pair(answer(), answer()))
    assert answering.told("frozen")[1].startswith("undecided: ")


async def test_a_verdict_that_was_finished_may_be_rolled_back_later(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=0))
    add(answering, good=20)
    assert answering.routing.active == "frozen"
    add(answering, bad=3)
    assert answering.routing.active == "native"
