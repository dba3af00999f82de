"""Do two models find the same objects in a picture? Their boxes matched one to one, and what is left over.

Boxes are matched as COCO's evaluation does it, with native in the place of the truth: the same pairs as pycocotools
2.0.11, see `tests/converter/comparison/test_matching.py`.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from converter.comparison.overlap import Numbers, Rows, iou, partners
from converter.comparison.sequential import Counted
from converter.model.detections import Detections
from converter.tolerance import Tolerance

BoxKind = Literal["matched", "class_flip", "missing", "extra"]

LEAST_SCORE = 0.05  # below it a row tells nothing (`converter.model.found.COUNTING`)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Differences:
    """Which rows of native's and the copy's detections are partners, and which are alone; only those that count."""

    matched: Rows  # (m, 2): native's row, the copy's row; the copy's best first
    missing: Rows  # (n,), native's, best first
    extra: Rows  # (n,), the copy's, best first
    class_flips: Rows  # (k, 2), as `matched`: the same place, another class


@dataclass(frozen=True, slots=True)
class BoxPair:
    """One object by its rows in native's and the copy's detections; None where one of them has no box of it."""

    kind: BoxKind
    native: int | None = None
    copy: int | None = None
    iou: float | None = None  # if both have one
    score_diff: float | None = None  # likewise, never negative


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """How the copy's boxes differ from native's in one picture."""

    missing: int  # native's without a partner
    extra: int  # the copy's without one
    class_flips: int  # pairs in the same place with different classes; neither missing nor extra
    ious: Numbers  # (m,) of each matched pair
    score_diffs: Numbers  # (m,) likewise, never negative
    pictures: int = 1
    apart: int = 0  # matched pairs whose scores differ by more than they may
    rows: int = 0  # of native and of the copy, down to scores that tell nothing, partners counted once
    rows_apart: int = 0  # of these, more than rounding apart
    photo: str = ""  # the name of the photo that the picture is of; none: it is like no other

    @property
    def matched(self) -> int:
        """Number of pairs of the same class and place."""
        return len(self.ious)

    @property
    def wrong(self) -> int:
        """Boxes that are lost, added, of another class or of another score."""
        return self.missing + self.extra + self.class_flips + self.apart

    @property
    def photos(self) -> tuple[Counted, ...]:
        """How many of the boxes are wrong, by photo; photos without a box have no part in it."""
        boxes = self.matched + self.missing + self.extra + self.class_flips
        return (Counted(self.wrong, boxes, self.photo),) if boxes else ()


def compare(native: Detections, copy: Detections, tolerance: Tolerance, *, photo: str = "") -> Comparison:
    """How the two answers to one picture, which is of this photo, differ; the order of their rows does not matter."""
    found = differences(native, copy, tolerance)
    ious, score_diffs = _apart(native, copy, found.matched)
    rows, rows_apart = _beyond_rounding(native, copy, tolerance)
    return Comparison(
        missing=len(found.missing),
        extra=len(found.extra),
        class_flips=len(found.class_flips),
        ious=ious,
        score_diffs=score_diffs,
        apart=int((score_diffs > tolerance.score_diff).sum()),
        rows=rows,
        rows_apart=rows_apart,
        photo=photo,
    )


def box_pairs(native: Detections, copy: Detections, tolerance: Tolerance) -> list[BoxPair]:
    """What `compare` counts, box by box; each row of both stands in one pair at most."""
    found = differences(native, copy, tolerance)
    return [
        *_partnered("matched", native, copy, found.matched),
        *_partnered("class_flip", native, copy, found.class_flips),
        *(BoxPair("missing", native=row) for row in found.missing.tolist()),
        *(BoxPair("extra", copy=row) for row in found.extra.tolist()),
    ]


def differences(native: Detections, copy: Detections, tolerance: Tolerance) -> Differences:
    """The rows of both that are partners and that are alone.

    The copy's boxes take their partners best first, each the one of native's still free ones of its class that
    it overlaps most. What is left over pairs in the same way with another class: a flip. Boxes from `threshold` −
    `margin` up take part; one within the margin does not count if it is alone or its partner is within it too.
    """
    ours, theirs = _taking_part(native, tolerance), _taking_part(copy, tolerance)
    overlaps = iou(_corners(native, ours)[:, :, None], _corners(copy, theirs)[:, None, :])
    overlaps[overlaps < tolerance.iou] = 0
    matched = partners(overlaps * (native.classes[ours][:, None] == copy.classes[theirs]))
    overlaps[matched[:, 0]] = 0
    overlaps[:, matched[:, 1]] = 0
    flips = partners(overlaps)  # of different classes, all of them: of one class they would be partners by now
    missing = np.delete(ours, [*matched[:, 0], *flips[:, 0]])
    extra = np.delete(theirs, [*matched[:, 1], *flips[:, 1]])
    edge = np.float32(tolerance.threshold + tolerance.margin)
    clear, clear_copy = native.scores > edge, copy.scores > edge
    pairs = [np.stack([ours[each[:, 0]], theirs[each[:, 1]]], axis=1) for each in (matched, flips)]
    counting = [each[clear[each[:, 0]] | clear_copy[each[:, 1]]] for each in pairs]
    return Differences(
        matched=counting[0], missing=missing[clear[missing]], extra=extra[clear_copy[extra]], class_flips=counting[1]
    )


def _beyond_rounding(native: Detections, copy: Detections, tolerance: Tolerance) -> tuple[int, int]:
    """Rows of both from the least score that tells anything, partners counted once; and how many are not equal.

    One so near to that score that rounding shows or hides it needs no partner.
    """
    near = tolerance.row_score_diff
    limits = replace(tolerance, threshold=LEAST_SCORE, margin=near, iou=tolerance.row_iou)
    found = differences(native, copy, limits)
    _, score_diffs = _apart(native, copy, found.matched)
    alone = len(found.missing) + len(found.extra) + len(found.class_flips)
    return len(found.matched) + alone, alone + int((score_diffs > near).sum())


def _partnered(kind: BoxKind, native: Detections, copy: Detections, rows: Rows) -> list[BoxPair]:
    apart = zip(rows.tolist(), *(each.tolist() for each in _apart(native, copy, rows)), strict=True)
    return [BoxPair(kind, ours, theirs, overlap, diff) for (ours, theirs), overlap, diff in apart]


def _apart(native: Detections, copy: Detections, rows: Rows) -> tuple[Numbers, Numbers]:
    """How far partners overlap, and how far their scores differ; scores are float32, which has no more digits."""
    ours, theirs = rows.T
    score_diffs: Numbers = np.abs(native.scores[ours].astype(np.float64) - copy.scores[theirs]).round(6)
    return iou(_corners(native, ours), _corners(copy, theirs)), score_diffs


def _taking_part(found: Detections, tolerance: Tolerance) -> Rows:
    """Rows that can be boxes and reach the margin, best first; equal scores by what is in them, not by their place."""
    lowest = np.float32(tolerance.threshold - tolerance.margin)  # a zero score is padding, whatever the limits
    usable = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
    rows = np.flatnonzero(usable & (found.scores >= lowest) & (found.scores > 0))
    left, top, right, bottom = found.boxes[rows].T
    best_first: Rows = np.lexsort((bottom, right, top, left, found.classes[rows], -found.scores[rows]))
    return rows[best_first]


def _corners(found: Detections, rows: Rows) -> Numbers:
    return np.ascontiguousarray(found.boxes[rows].T, np.float64)
