"""Two answers compared: what is missing, extra or of another class, and the verdict."""

import json

import numpy as np
import pytest

from converter.comparison.agreement import total
from converter.comparison.matching import BoxPair, box_pairs, compare, differences
from converter.tolerance import Tolerance
from tests.support.converter.rows import CAR, DOG, LIMITS, Row, answer, counts, scored

NAN, INF = float("nan"), float("inf")
CAT: Row = (0, 0, 100, 100, 0.9, 17)


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
        "photos": 3,
        "wrong_share": 0.6,
        "wrong_interval": None,
        "rows": 5,
        "rows_apart": 4,
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
