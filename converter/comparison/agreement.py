"""Do two models find the same objects? Their boxes matched one to one, what is left over, and the verdict.

Boxes are matched as COCO's evaluation does it, with native in the place of the truth: the same pairs as pycocotools
2.0.11, see `tests/converter/comparison/test_matching.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor
from typing import Any, Literal

import numpy as np

from converter.comparison.overlap import Numbers, Rows, iou, partners
from converter.model.detections import Detections
from converter.tolerance import Tolerance

BoxKind = Literal["matched", "class_flip", "missing", "extra"]


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

    @property
    def matched(self) -> int:
        """Number of pairs of the same class and place."""
        return len(self.ious)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, and a sentence with the numbers and their tolerance."""

    word: Literal["agrees", "disagrees", "undecided"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement(Comparison):
    """Comparisons of several pictures, added up. A share, mean or percentile of nothing is None."""

    @property
    def native_boxes(self) -> int:
        """Native's boxes that count."""
        return self.matched + self.missing + self.class_flips

    @property
    def boxes(self) -> int:
        """Objects that either model found; partners are one."""
        return self.native_boxes + self.extra

    @property
    def matched_share(self) -> float | None:
        """Matched ÷ all objects that either found."""
        return self.matched / self.boxes if self.boxes else None

    @property
    def mean_iou(self) -> float | None:
        """Mean overlap of matched pairs."""
        return float(self.ious.mean()) if self.matched else None

    @property
    def largest_score_diff(self) -> float | None:
        """The most that the scores of a matched pair differ."""
        return float(self.score_diffs.max()) if self.matched else None

    def verdict(self, tolerance: Tolerance) -> Verdict:
        """Whether the copy may stand in for native; what disagrees is told with every limit that is missed."""
        findings = self._findings(tolerance)
        if self.native_boxes < tolerance.fewest_boxes:
            few = f"native boxes: {self.native_boxes}, too few for a verdict ({tolerance.fewest_boxes} needed)"
            return Verdict("undecided", ", ".join([few, *findings]))
        missed = [text for text, holds in findings.items() if not holds]
        if missed:
            return Verdict("disagrees", ", ".join(missed))
        return Verdict("agrees", ", ".join(findings) or "neither found a box")

    def _findings(self, tolerance: Tolerance) -> dict[str, bool]:
        """What can be said of the numbers, and whether it is within the limit; rounded to the worse side."""
        findings = {}
        if (share := self.matched_share) is not None:
            boxes = f"{self.boxes} box{'' if self.boxes == 1 else 'es'}"
            text = f"{_floor(100 * share, 1):g} % of {boxes} matched ({100 * tolerance.matched:.6g} % needed)"
            findings[text] = share >= tolerance.matched
        if (iou := self.mean_iou) is not None:
            findings[f"mean IoU {_floor(iou, 4):g} ({tolerance.mean_iou:g} needed)"] = iou >= tolerance.mean_iou
        if (diff := self.largest_score_diff) is not None:
            text = f"largest score difference {abs(_floor(-diff, 4)):g} ({tolerance.score_diff:g} allowed)"
            findings[text] = diff <= tolerance.score_diff
        return findings

    def to_json(self) -> dict[str, Any]:
        """The numbers for a report; IoU's low percentiles and the scores' high ones, where trouble shows."""
        return {
            "pictures": self.pictures,
            "native_boxes": self.native_boxes,
            "matched": self.matched,
            "missing": self.missing,
            "extra": self.extra,
            "class_flips": self.class_flips,
            "matched_share": _rounded(self.matched_share),
            "mean_iou": _rounded(self.mean_iou),
            "largest_score_diff": _rounded(self.largest_score_diff),
            "iou": _percentiles(self.ious, (5, 50)),
            "score_diff": _percentiles(self.score_diffs, (50, 95)),
        }


def compare(native: Detections, copy: Detections, tolerance: Tolerance) -> Comparison:
    """How the two answers to one picture differ; the order of their rows does not matter."""
    found = differences(native, copy, tolerance)
    ious, score_diffs = _apart(native, copy, found.matched)
    return Comparison(
        missing=len(found.missing),
        extra=len(found.extra),
        class_flips=len(found.class_flips),
        ious=ious,
        score_diffs=score_diffs,
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


def total(comparisons: Iterable[Comparison]) -> Agreement:
    """The comparisons of several pictures, added up."""
    every = list(comparisons)
    counts = ("pictures", "missing", "extra", "class_flips")
    return Agreement(
        **{name: sum(getattr(each, name) for each in every) for name in counts},
        ious=_joined(each.ious for each in every),
        score_diffs=_joined(each.score_diffs for each in every),
    )


def _joined(parts: Iterable[Numbers]) -> Numbers:
    return np.concatenate([np.empty(0), *parts])


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


def _floor(value: float, digits: int) -> float:
    return floor(round(value * 10.0**digits, 6)) / 10.0**digits


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _percentiles(values: Numbers, wanted: tuple[int, ...]) -> dict[str, float | None]:
    found = np.percentile(values, wanted).tolist() if len(values) else [None] * len(wanted)
    return {f"p{each}": _rounded(value) for each, value in zip(wanted, found, strict=True)}
