"""Boxes of two answers matched: as COCO's evaluation does it, and what holds whatever the boxes are.

`coco_matches.json` holds what pycocotools 2.0.11 pairs on the labelled photos and in crowds of boxes, native being the
truth; `coco_matches.py` wrote it. On another 3,000 crowds (16,104 pairs) the pairs were the same too, each one.
"""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.comparison.matching import box_pairs, compare, differences
from converter.model.detections import Detections
from converter.tolerance import Tolerance
from tests.support.converter.rows import answer, counts
from tests.support.places import DATA

COCO = json.loads((DATA / "coco_matches.json").read_text())
NAN, INF = float("nan"), float("inf")
LIMITS = Tolerance()


@pytest.mark.parametrize("picture", COCO, ids=[picture["name"] for picture in COCO])
def test_the_partners_are_those_of_cocos_evaluation(picture: dict[str, Any]) -> None:
    every_box = Tolerance(threshold=0.05, margin=0)
    found = differences(answer(*picture["native"]), answer(*picture["copy"]), every_box)
    assert sorted(found.matched.tolist()) == picture["pairs"]


def answers() -> st.SearchStrategy[Detections]:
    """Boxes that overlap, with scores that tie or lie in the margin; some are flat, inside out, tiny or broken."""
    near, far = st.sampled_from([0.0, 10.0, 20.0, 30.0]), st.sampled_from([90.0, 100.0, 110.0])
    good = st.tuples(near, near, far, far, st.sampled_from([0.19, 0.25, 0.31, 0.6]), st.integers(1, 2))
    odd = st.sampled_from([0.0, 0.2, 0.3, 1.0, 30.0, 1e-30, 3e38, NAN, INF])
    rows = st.one_of(good, good, good, st.tuples(odd, odd, odd, odd, odd, st.integers(1, 2)))
    return st.lists(rows, max_size=12).map(lambda found: answer(*found))


def shuffled(found: Detections, seed: int) -> Detections:
    rows = np.random.default_rng(seed).permutation(len(found))
    return Detections(found.boxes[rows], found.scores[rows], found.classes[rows])


@settings(deadline=None)
@given(native=answers(), copy=answers(), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(native: Detections, copy: Detections, seed: int) -> None:
    one, other = compare(native, copy, LIMITS), compare(shuffled(native, seed), shuffled(copy, seed + 1), LIMITS)
    assert counts(one) == counts(other)
    assert one.ious.tolist() == other.ious.tolist()
    assert one.score_diffs.tolist() == other.score_diffs.tolist()


@settings(deadline=None)
@given(native=answers(), seed=st.integers(0, 99))
def test_an_answer_agrees_with_itself(native: Detections, seed: int) -> None:
    found = compare(native, shuffled(native, seed), LIMITS)
    usable = np.isfinite(native.boxes).all(axis=1) & np.isfinite(native.scores)
    assert counts(found) == (np.sum(usable & (native.scores > np.float32(0.3))), 0, 0, 0)
    assert (found.ious == 1).all()
    assert (found.score_diffs == 0).all()


@settings(deadline=None)
@given(native=answers(), copy=answers())
def test_every_box_that_counts_is_told_once(native: Detections, copy: Detections) -> None:
    found = differences(native, copy, LIMITS)
    pairs = np.concatenate([found.matched, found.class_flips])
    for answered, rows in (
        (native, [*pairs[:, 0], *found.missing]),
        (copy, [*pairs[:, 1], *found.extra]),
    ):
        usable = np.isfinite(answered.boxes).all(axis=1) & np.isfinite(answered.scores)
        assert len(set(rows)) == len(rows)
        assert set(np.flatnonzero(usable & (answered.scores > np.float32(0.3)))) <= set(rows)
        assert set(rows) <= set(np.flatnonzero(usable & (answered.scores >= np.float32(0.2))))


@settings(deadline=None)
@given(native=answers(), copy=answers())
def test_the_pairs_are_what_is_counted(native: Detections, copy: Detections) -> None:
    pairs, counted = box_pairs(native, copy, LIMITS), compare(native, copy, LIMITS)
    kinds = [pair.kind for pair in pairs]
    assert tuple(kinds.count(kind) for kind in ("matched", "missing", "extra", "class_flip")) == counts(counted)
    assert [pair.iou for pair in pairs if pair.kind == "matched"] == counted.ious.tolist()
    assert [pair.score_diff for pair in pairs if pair.kind == "matched"] == counted.score_diffs.tolist()
    for pair in pairs:
        both = pair.native is not None and pair.copy is not None
        assert both == (pair.kind in ("matched", "class_flip")) == (pair.iou is not None)
        if pair.native is not None and pair.copy is not None:
            assert (native.classes[pair.native] == copy.classes[pair.copy]) == (pair.kind == "matched")


@settings(deadline=None)
@given(sides=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 2), st.integers(1, 2)), max_size=9))
def test_where_boxes_lie_apart_the_sides_can_be_swapped(sides: list[tuple[float, float, int, int]]) -> None:
    places = [(200.0 * i, 0.0, 200.0 * i + 100, 100.0) for i in range(len(sides))]
    native = answer(*[(*place, side[0], side[2]) for place, side in zip(places, sides, strict=True)])
    copy = answer(*[(*place, side[1], side[3]) for place, side in zip(places, sides, strict=True)])
    one, other = compare(native, copy, LIMITS), compare(copy, native, LIMITS)
    assert counts(one) == (other.matched, other.extra, other.missing, other.class_flips)
    assert sorted(one.score_diffs) == sorted(other.score_diffs)
