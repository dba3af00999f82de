"""Whether pictures agree: equal to rounding, or by the share of wrong boxes, within the limits of overlap and score."""

from dataclasses import replace

import numpy as np
import pytest

from converter.comparison.agreement import Agreement, Verdict, total
from converter.comparison.matching import compare
from converter.comparison.sequential import Counted
from converter.model.detections import Detections
from tests.support.converter.rows import CAR, DOG, LIMITS, answer, judged, many, scored


def test_equal_to_rounding_is_enough_on_few_pictures() -> None:
    assert judged(many(29), many(29)).word == "undecided"
    assert judged(many(60), many(60)) == Verdict(
        "agrees",
        "equal to rounding in all 60 rows from score 0.05 up, mean IoU 1 (0.95 needed), "
        "largest score difference 0 (0.05 allowed)",
    )


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({"scores": 0.004}, True),
        ({"scores": 0.006}, False),
        ({"boxes": 0.1}, True),  # of 90 by 60 pixels: IoU 0.994
        ({"boxes": 0.5}, False),
    ],
)
def test_what_is_equal_to_rounding(changes: dict[str, float], equal: bool) -> None:
    native = many(60)
    copy = replace(native, **{name: getattr(native, name) + np.float32(by) for name, by in changes.items()})
    found = compare(native, copy, LIMITS)
    assert (found.rows, found.rows_apart == 0) == (60 if equal or "scores" in changes else found.rows, equal)


def test_rows_near_the_least_score_need_no_partner() -> None:
    native = answer(DOG, scored(0.054, CAR))
    assert compare(native, answer(DOG), LIMITS).rows_apart == 0
    assert compare(answer(DOG, scored(0.056, CAR)), answer(DOG), LIMITS).rows_apart == 1
    assert compare(answer(DOG, scored(0.04, CAR)), answer(DOG), LIMITS).rows == 1


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
    assert compare(native, moved, LIMITS).wrong == 10, "they count as wrong boxes too"


def test_every_limit_that_is_missed_is_told_rounded_to_the_worse_side() -> None:
    agreed = Agreement(missing=1, extra=0, class_flips=0, ious=np.full(48, 0.94999), score_diffs=np.full(48, 0.05001))
    assert agreed.verdict(LIMITS) == Verdict(
        "disagrees", "mean IoU 0.9499 (0.95 needed), largest score difference 0.0501 (0.05 allowed)"
    )


def photos(count: int, *, wrong: int = 0, boxes: int = 5) -> Agreement:
    """So many photos with so many boxes each, in the first ones of which one box is missing."""
    counted = tuple(Counted(int(number < wrong), boxes, str(number)) for number in range(count))
    good = count * boxes - wrong
    return Agreement(
        missing=wrong, extra=0, class_flips=0, ious=np.ones(good), score_diffs=np.zeros(good), counted=counted
    )


@pytest.mark.parametrize(
    ("agreed", "word"),
    [
        (photos(40), "agrees"),
        (photos(39, boxes=6), "undecided"),  # too few photos
        (photos(40, boxes=4), "undecided"),  # too few boxes
        (photos(40, wrong=1), "agrees"),
        (photos(40, wrong=4), "undecided"),
        (photos(40, wrong=8), "disagrees"),
        (photos(5, wrong=3), "disagrees"),  # few are enough for this
        (photos(5, wrong=1), "undecided"),
        (photos(200, wrong=10), "agrees"),  # 1 % is good
        (photos(200, wrong=50), "disagrees"),  # 5 % is bad
        (photos(999, wrong=106), "undecided"),  # 2.1 % is neither
        (photos(1000, wrong=106), "disagrees"),  # but once it must end
    ],
)
def test_the_share_of_wrong_boxes_decides(agreed: Agreement, word: str) -> None:
    assert agreed.verdict(LIMITS).word == word


def test_what_is_undecided_says_what_is_missing() -> None:
    assert photos(5, wrong=1).verdict(LIMITS).reason == (
        "4 % of 25 boxes of 5 photos wrong (1 % is good, 5 % bad), only 0 rows, 30 are needed, "
        "200 boxes of 40 photos are needed, mean IoU 1 (0.95 needed), largest score difference 0 (0.05 allowed)"
    )


def test_pictures_of_one_photo_count_together() -> None:
    native, copy = answer(DOG, CAR), answer(DOG)
    named = [compare(native, copy, LIMITS, photo=name) for name in ("a", "a", "b")]
    assert total(named).photos == (Counted(2, 4, "a"), Counted(1, 2, "b"))
    assert total([total(named), compare(native, copy, LIMITS, photo="b")]).photos[1] == Counted(2, 4, "b")
    unnamed = [compare(native, copy, LIMITS), compare(native, copy, LIMITS), compare(answer(), answer(), LIMITS)]
    assert len(total(unnamed).photos) == 2, "one without a box has no part in it"


def test_a_single_picture_can_be_judged() -> None:
    def single(native: Detections, copy: Detections) -> Verdict:
        return total([compare(native, copy, LIMITS)]).single(LIMITS)

    assert single(answer(), answer()) == Verdict("agrees", "neither found a box")
    assert single(answer(), answer(DOG)) == Verdict(
        "disagrees", "100 % of 1 box of 1 photo wrong (1 % is good, 5 % bad)"
    )
    assert single(answer(DOG, CAR), answer(CAR, DOG)).word == "agrees"
