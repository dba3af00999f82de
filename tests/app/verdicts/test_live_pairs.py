"""The window of live pairs: what it tells, when it decides, and when it takes a copy out of `auto`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.verdicts.live_pairs import FEWEST_FOR_ROLLBACK
from app.verdicts.verdict import Word
from app.verdicts.window import FEWEST_FOR_RATIO
from converter.model.detections import Detections
from tests.app.verdicts.conftest import WINDOW
from tests.support.app.comparing import CAT, DOG, ServerSetup, verdict
from tests.support.app.pairing import add, failed, pair, window, wrong
from tests.support.converter.rows import Row, answer

pytestmark = pytest.mark.anyio

TEN_ROWS: list[Row] = [(20 * place, 0, 20 * place + 10, 10, 0.9, 1) for place in range(10)]
TEN = answer(*TEN_ROWS)


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
        "rolled back: 40 of 40 boxes of the last 20 pairs are wrong, last: 100 % of 2 boxes of 1 photo wrong"
    )


@pytest.mark.parametrize(
    ("kinds", "rolled_back"),
    [
        ({"bad": 1}, None),
        ({"bad": 3}, "disagreement"),
        ({"failing": 2}, None),  # a tenth of 20 is borne
        ({"failing": 3}, "errors"),
        ({"bad": 1, "failing": 2}, None),  # each has its own limit
        ({"bad": 3, "failing": 3}, "disagreement"),
    ],
)
async def test_too_many_wrong_boxes_or_failures_roll_back(
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


async def test_of_failures_only_the_last_pairs_count(answering: ServerSetup) -> None:
    add(answering, good=17, failing=2)
    for _ in range(5):
        add(answering, good=WINDOW - 2, failing=2)
    assert answering.routing.active == "frozen"
    assert (window(answering)["pairs"], window(answering)["errors"]) == (WINDOW, 2)
    add(answering, failing=2)
    assert answering.routing.active == "native", "4 of the last 30"


async def test_a_copy_that_loses_few_boxes_stays_however_often_one_looks(answering: ServerSetup) -> None:
    """One of 100: as good as the gate asks."""
    for number in range(1000):
        answering.live_pairs.add(pair(TEN, answer(*TEN_ROWS[number % 10 == 0 :])))
    assert answering.routing.active == "frozen"
    assert answering.counted("compare_boxes_total", kind="missing") == 100


async def test_a_copy_that_loses_many_boxes_leaves_soon(answering: ServerSetup) -> None:
    """One of 20: bad, though most pictures are found alike."""
    add(answering, good=200)
    for number in range(400):
        answering.live_pairs.add(pair(TEN, answer(*TEN_ROWS[number % 2 == 0 :])))
    assert answering.counted("rollbacks_total", copy="frozen", reason="disagreement") == 1


async def test_boxes_that_are_moved_roll_back(answering: ServerSetup) -> None:
    moved = replace(TEN, boxes=TEN.boxes + np.array([1, 0, 0, 0], np.float32))  # of 10 pixels
    for _ in range(30):
        answering.live_pairs.add(pair(TEN, moved))
    assert "the mean IoU of the last 20 pairs is 0.900 (0.95 needed)" in answering.told("frozen")[1]


async def test_every_copy_has_its_own_window(answering: ServerSetup) -> None:
    await answering.open("trt", verdicts={"trt": verdict("passed", low=1.1)})
    add(answering, good=20)
    add(answering, bad=20, copy="trt")
    assert answering.routing.standing("frozen").rolled_back is None
    assert answering.routing.standing("trt").rolled_back


@pytest.mark.parametrize(
    ("low", "found", "pairs", "word"),
    [
        (1.5, answer(DOG, CAT), 5, "passed"),  # 20 rows, and 2 of each pair
        (0.9, answer(DOG, CAT), 5, "slower"),
        (1.5, answer(DOG), 3, "disagrees"),
    ],
)
async def test_live_pairs_finish_a_verdict_that_was_left_open(
    low: float, found: Detections, pairs: int, word: Word, answering: ServerSetup
) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", low=low, boxes=10))
    for _ in range(pairs - 1):
        answering.live_pairs.add(pair(answer(DOG, CAT), found))
    assert answering.told("frozen")[1].startswith("undecided: ")
    answering.live_pairs.add(pair(answer(DOG, CAT), found))
    told = answering.routing.standing("frozen").verdict
    assert told is not None
    assert (told.word, told.first.ratios["1"].low) == (word, low)
    assert told.first.agreement["8"].native_boxes == 10 + 2 * pairs
    assert answering.told("frozen") == ("active" if word == "passed" else "standby", f"{word}: {told.reason}")
    assert answering.counted("gate_verdict", copy="frozen", verdict=word) == 1


async def test_copies_that_are_not_equal_to_rounding_pass_by_the_test(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=10))
    surer = answer(*((*row[:4], 0.92, row[5]) for row in TEN_ROWS))
    for number in range(34):
        answering.live_pairs.add(pair(TEN, surer, photo=str(number % 3)))
    assert answering.told("frozen")[1].startswith("undecided: "), "of few photos"
    for number in range(38):
        answering.live_pairs.add(pair(TEN, surer, photo=f"another {number}"))
    assert answering.told("frozen")[1].startswith("passed: ")


async def test_a_size_of_which_the_gate_has_no_pictures_is_judged_by_live_pairs(answering: ServerSetup) -> None:
    def add(count: int) -> None:
        for number in range(count):
            photo = f"photo {number % 3}"  # a few of them, sent again and again
            answering.live_pairs.add(pair(TEN, TEN, size="large", photo=photo, native_s=0.02, copy_s=0.01))

    add(23)
    assert answering.routing.answers["large"] == "native", "not timed often enough yet"
    add(1)
    assert answering.routing.answers == {"small": "frozen", "medium": "native", "large": "frozen"}


async def test_how_fast_it_is_counts_from_when_it_is_known_to_agree(answering: ServerSetup) -> None:
    for found, copy_s, count in ((answer(), 0.03, 24), (TEN, 0.01, 1), (answer(), 0.01, 200), (TEN, 0.01, 3)):
        for _ in range(count):
            answering.live_pairs.add(pair(found, found, size="large", native_s=0.02, copy_s=copy_s))
    assert answering.routing.answers["large"] == "frozen"


async def test_a_photo_that_is_sent_again_tells_nothing_new(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=0))
    for _ in range(50):
        answering.live_pairs.add(pair(photo="the same"))
    found = answering.routing.standing("frozen").verdict
    assert found
    assert (found.word, found.first.agreement["1"].native_boxes) == ("undecided", 1)


async def test_pictures_without_boxes_decide_nothing(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=0))
    for _ in range(50):
        answering.live_pairs.add(pair(answer(), answer()))
    assert answering.told("frozen")[1].startswith("undecided: ")


async def test_a_verdict_that_was_finished_may_be_rolled_back_later(answering: ServerSetup) -> None:
    answering.routing.record_verdict("frozen", verdict("undecided", boxes=0))
    add(answering, good=50)
    assert answering.routing.active == "frozen"
    add(answering, bad=5)
    assert answering.routing.active == "native"
