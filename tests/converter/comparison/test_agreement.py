"""Two answers compared: what is missing, extra or of another class, and the verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest

from converter.comparison.agreement import Agreement, BoxPair, Verdict, box_pairs, compare, differences, total
from converter.model.detections import Detections
from converter.tolerance import Tolerance
from tests.support.converter.rows import Row, answer, counts

NAN, INF = float("nan"), float("inf")
LIMITS = Tolerance()
DOG: Row = (0, 0, 100, 100, 0.9, 18)
CAR: Row = (300, 0, 400, 50, 0.8, 3)
CAT: Row = (0, 0, 100, 100, 0.9, 17)


def scored(score: float, row: Row = DOG) -> Row:
    return (*row[:4], score, row[5])


def many(boxes: int = 30) -> Detections:
    """Boxes of three classes beside each other."""
    rows: list[Row] = [(200.0 * i, 10, 200.0 * i + 90, 70, 0.95 - 0.01 * i, i % 3) for i in range(boxes)]
    return answer(*rows)


def judged(native: Detections, copy: Detections, limits: Tolerance = LIMITS) -> Verdict:
    return total([compare(native, copy, limits)]).verdict(limits)


def test_the_same_answer_agrees_and_says_so_with_numbers() -> None:
    assert judged(many(), many()) == Verdict(
        "agrees",
        "100 % of 30 boxes matched (98 % needed), mean IoU 1 (0.95 needed), largest score difference 0 (0.05 allowed)",
    )


def test_boxes_moved_by_a_twentieth_of_their_size_disagree_by_the_iou_that_follows() -> None:
    native = many()
    sizes = native.boxes[:, 2:] - native.boxes[:, :2]
    moved = replace(native, boxes=native.boxes + 0.05 * np.tile(sizes, 2))
    agreed = total([compare(native, moved, LIMITS)])
    assert agreed.mean_iou == pytest.approx(0.9025 / 1.0975, abs=1e-4)
    assert agreed.verdict(LIMITS) == Verdict("disagrees", "mean IoU 0.8223 (0.95 needed)")


def test_scores_of_one_class_moved_by_a_tenth_disagree() -> None:
    native = many()
    moved = replace(native, scores=native.scores - np.where(native.classes == 1, 0.1, 0).astype(np.float32))
    assert judged(native, moved) == Verdict("disagrees", "largest score difference 0.1 (0.05 allowed)")


def test_every_limit_that_is_missed_is_told() -> None:
    native = many(20)
    copy = Detections(native.boxes[2:] + 5, native.scores[2:] - np.float32(0.07), native.classes[2:])
    assert judged(native, copy) == Verdict(
        "disagrees",
        "90 % of 20 boxes matched (98 % needed), mean IoU 0.7632 (0.95 needed), "
        "largest score difference 0.07 (0.05 allowed)",
    )


def test_numbers_are_rounded_to_the_worse_side() -> None:
    agreed = Agreement(missing=1, extra=0, class_flips=0, ious=np.full(48, 0.94999), score_diffs=np.full(48, 0.05001))
    assert agreed.verdict(LIMITS).reason == (
        "97.9 % of 49 boxes matched (98 % needed), mean IoU 0.9499 (0.95 needed), "
        "largest score difference 0.0501 (0.05 allowed)"
    )


@pytest.mark.parametrize(("boxes", "word"), [(0, "undecided"), (19, "undecided"), (20, "agrees")])
def test_few_boxes_of_native_leave_it_undecided(boxes: int, word: str) -> None:
    verdict = judged(many(boxes), many(boxes))
    assert verdict.word == word
    assert (f"native boxes: {boxes}, too few for a verdict (20 needed)" in verdict.reason) == (word == "undecided")


def test_a_single_picture_can_be_judged() -> None:
    alone = Tolerance(fewest_boxes=0)
    assert judged(answer(), answer(), alone) == Verdict("agrees", "neither found a box")
    assert judged(answer(), answer(DOG), alone) == Verdict("disagrees", "0 % of 1 box matched (98 % needed)")
    assert judged(answer(DOG, CAR), answer(CAR, DOG), alone).word == "agrees"


@pytest.mark.parametrize(
    ("native", "copy", "expected"),
    [
        ([0.31], [], (0, 1, 0, 0)),
        ([], [0.31], (0, 0, 1, 0)),
        ([0.30], [], (0, 0, 0, 0)),  # the margin's edge belongs to it
        ([], [0.30], (0, 0, 0, 0)),
        ([0.20], [0.30], (0, 0, 0, 0)),  # both within
        ([0.25], [0.31], (1, 0, 0, 0)),  # one within
        ([0.31], [0.20], (1, 0, 0, 0)),
        ([0.31], [0.19], (0, 1, 0, 0)),  # below the margin is no box
        ([0.19], [0.31], (0, 0, 1, 0)),
        ([0.19], [0.19], (0, 0, 0, 0)),
    ],
)
def test_boxes_near_the_threshold_do_not_count(
    native: list[float], copy: list[float], expected: tuple[int, int, int, int]
) -> None:
    found = compare(answer(*map(scored, native)), answer(*map(scored, copy)), LIMITS)
    assert counts(found) == expected


@pytest.mark.parametrize(
    ("native", "copy", "expected"),
    [
        ([DOG], [CAT], (0, 0, 0, 1)),
        ([DOG], [CAR], (0, 1, 1, 0)),  # elsewhere
        ([DOG, CAR], [CAT, CAR], (1, 0, 0, 1)),
        ([DOG, CAT], [CAT, DOG], (2, 0, 0, 0)),  # each has its own
        ([DOG, CAT], [CAT], (1, 1, 0, 0)),  # its partner is taken
        ([DOG], [CAT, scored(0.5, CAT)], (0, 0, 1, 1)),
        ([DOG], [scored(0.25, CAT)], (0, 0, 0, 1)),  # one within the margin
        ([scored(0.28)], [scored(0.25, CAT)], (0, 0, 0, 0)),  # both
    ],
)
def test_the_same_place_with_another_class_is_one_flip(
    native: list[Row], copy: list[Row], expected: tuple[int, int, int, int]
) -> None:
    assert counts(compare(answer(*native), answer(*copy), LIMITS)) == expected


def test_the_copys_best_box_takes_the_nearest_and_every_box_has_one_partner() -> None:
    native = answer((0, 0, 100, 100, 0.9, 1), (10, 0, 110, 100, 0.8, 1))
    copy = answer((11, 0, 111, 100, 0.5, 1), (9, 0, 109, 100, 0.7, 1), (0, 0, 100, 100, 0.6, 1))
    found = differences(native, copy, LIMITS)
    assert found.matched.tolist() == [[1, 1], [0, 2]]
    assert found.extra.tolist() == [0]


def test_of_equal_boxes_the_best_ones_are_partners() -> None:
    twice = answer(scored(0.6), scored(0.9))
    assert differences(twice, twice, LIMITS).matched.tolist() == [[1, 1], [0, 0]]


def test_differences_name_the_rows() -> None:
    bird: Row = (500, 500, 600, 600, 0.7, 16)
    cup: Row = (700, 700, 800, 800, 0.6, 47)
    found = differences(answer(cup, CAR, scored(0.25, bird), DOG), answer(CAT, bird, scored(0.5, CAR), CAR), LIMITS)
    assert found.matched.tolist() == [[1, 3], [2, 1]]
    assert (found.missing.tolist(), found.extra.tolist()) == ([0], [2])
    assert found.class_flips.tolist() == [[3, 0]]


def test_pairs_have_the_rows_of_both_and_how_far_they_are_apart() -> None:
    cup: Row = (700, 700, 800, 800, 0.6, 47)
    moved: Row = (300, 0, 400, 45, 0.77, 3)
    lamp: Row = (500, 500, 600, 600, 0.5, 82)
    assert box_pairs(answer(cup, CAR, DOG), answer(scored(0.8, CAT), lamp, moved), LIMITS) == [
        BoxPair("matched", native=1, copy=2, iou=0.9, score_diff=0.03),
        BoxPair("class_flip", native=2, copy=0, iou=1.0, score_diff=0.1),
        BoxPair("missing", native=0),
        BoxPair("extra", copy=1),
    ]


def test_boxes_that_do_not_count_are_in_no_pair() -> None:
    assert box_pairs(answer(scored(0.28)), answer(scored(0.27)), LIMITS) == []
    (one_counts,) = box_pairs(answer(scored(0.31)), answer(CAR, scored(0.24)), LIMITS)[:1]
    assert (one_counts.kind, one_counts.native, one_counts.copy) == ("matched", 0, 1)


@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
@pytest.mark.parametrize("column", range(5))
def test_rows_with_a_number_that_is_not_finite_are_left_out(column: int, wrong: float) -> None:
    broken = np.array([DOG[:5]])
    broken[0, column] = wrong
    row: Row = (*broken[0].tolist(), DOG[5])
    assert counts(compare(answer(CAR, row), answer(row, CAR), LIMITS)) == (1, 0, 0, 0)
    assert counts(compare(answer(CAR, DOG), answer(row, CAR), LIMITS)) == (1, 1, 0, 0)


@pytest.mark.parametrize("limits", [LIMITS, Tolerance(threshold=0.05), Tolerance(threshold=0)])
def test_padding_is_no_box_whatever_the_threshold(limits: Tolerance) -> None:
    padding = [scored(0, row) for row in (DOG, CAR, CAT)]
    assert counts(compare(answer(DOG, *padding), answer(DOG, CAR), limits)) == (1, 0, 1, 0)
    assert counts(compare(answer(), answer(*padding), limits)) == (0, 0, 0, 0)


def test_boxes_without_an_area_match_none_but_their_equal() -> None:
    line: Row = (5, 5, 5, 90, 0.9, 1)
    assert counts(compare(answer(line), answer(line), LIMITS)) == (1, 0, 0, 0)
    assert counts(compare(answer(line), answer((5, 5, 5, 91, 0.9, 1)), LIMITS)) == (0, 1, 1, 0)


def test_pictures_add_up_and_the_report_has_the_numbers() -> None:
    pictures = [
        compare(answer(DOG, CAR), answer(scored(0.86), CAR), LIMITS),
        compare(answer(), answer(), LIMITS),
        compare(answer(DOG, CAR), answer(CAT), LIMITS),
        compare(answer(), answer(CAR), LIMITS),
    ]
    assert total([total(pictures[:2]), *pictures[2:]]).to_json() == total(pictures).to_json()
    assert total(pictures).to_json() == {
        "pictures": 4,
        "native_boxes": 4,
        "matched": 2,
        "missing": 1,
        "extra": 1,
        "class_flips": 1,
        "matched_share": 0.4,
        "mean_iou": 1.0,
        "largest_score_diff": 0.04,
        "iou": {"p5": 1.0, "p50": 1.0},
        "score_diff": {"p50": 0.02, "p95": 0.038},
    }


def test_a_report_of_nothing_has_no_numbers() -> None:
    report = total([]).to_json()
    assert json.loads(json.dumps(report)) == report
    assert report["mean_iou"] is report["matched_share"] is report["largest_score_diff"] is None
    assert report["iou"] == {"p5": None, "p50": None}
