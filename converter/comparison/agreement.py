"""Do two models find the same objects in pictures? What was found in each of them added up, and the verdict.

There are two ways to agree: by being equal to rounding, which few pictures show, or by a sequential test of the share
of boxes that are wrong (`converter.comparison.sequential`), on many pictures, those of requests with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log
from typing import Any, Literal

import numpy as np

from converter.comparison import spread
from converter.comparison.matching import Comparison
from converter.comparison.overlap import Numbers
from converter.comparison.sequential import Counted, Shares, merged
from converter.tolerance import Tolerance

MOST_PHOTOS = 1000  # a copy that so many do not show to be good is none, though the test has not ended


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, and a sentence with the numbers and their tolerance."""

    word: Literal["agrees", "disagrees", "undecided"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement(Comparison):
    """Comparisons of several pictures, added up. A share, mean or percentile of nothing is None."""

    counted: tuple[Counted, ...] = ()  # by photo: all pictures that are of one count together

    @property
    def photos(self) -> tuple[Counted, ...]:
        """See `Comparison`."""
        return self.counted

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
    def wrong_share(self) -> float | None:
        """Boxes that are lost, added, of another class or of another score ÷ all objects that either found."""
        return self.wrong / self.boxes if self.boxes else None

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
        limits = self._limits(tolerance)
        missed = [text for text, holds in limits.items() if not holds]
        if missed and self.boxes >= tolerance.few_boxes:
            return Verdict("disagrees", ", ".join(missed))
        if self.rows >= tolerance.fewest_rows and not self.rows_apart:
            equal = f"equal to rounding in all {self.rows} rows from score 0.05 up"
            return Verdict("agrees", ", ".join([equal, *limits]))
        return self._tested(tolerance, limits)

    def single(self, tolerance: Tolerance) -> Verdict:
        """Whether one answer is like the other: a single box is enough."""
        limits = self._limits(tolerance)
        if (share := self.wrong_share) is not None:
            limits = {self._share(tolerance): share < tolerance.bad} | limits
        missed = [text for text, holds in limits.items() if not holds]
        if missed:
            return Verdict("disagrees", ", ".join(missed))
        return Verdict("agrees", ", ".join(limits) or "neither found a box")

    def _tested(self, tolerance: Tolerance, limits: Iterable[str]) -> Verdict:
        evidence = Shares(tolerance.good, tolerance.bad).evidence(self.counted)
        enough = log(1 / tolerance.error)
        share = self._share(tolerance) if self.boxes else "neither found a box"
        if evidence.least >= enough:
            return Verdict("disagrees", share)
        needed = f"{tolerance.fewest_boxes} boxes of {tolerance.fewest_photos} photos are needed"
        many = self.boxes >= tolerance.fewest_boxes and len(self.counted) >= tolerance.fewest_photos
        if many and evidence.largest <= -enough:
            return Verdict("agrees", ", ".join([share, *limits]))
        if len(self.counted) >= MOST_PHOTOS:
            return Verdict("disagrees", f"{share}, not shown to be good")
        apart = f"{self.rows_apart} of {self.rows} rows are not equal to rounding"
        few = [apart] if self.rows_apart else [f"only {self.rows} rows, {tolerance.fewest_rows} are needed"]
        return Verdict("undecided", ", ".join([share, *few, "more tell" if many else needed, *limits]))

    def _share(self, tolerance: Tolerance) -> str:
        boxes = f"{self.boxes} box{'' if self.boxes == 1 else 'es'}"
        photos = f"{len(self.counted)} photo{'' if len(self.counted) == 1 else 's'}"
        wrong = -_floor(-100 * (self.wrong_share or 0), 1)
        known = f"{100 * tolerance.good:.3g} % is good, {100 * tolerance.bad:.3g} % bad"
        return f"{abs(wrong):g} % of {boxes} of {photos} wrong ({known})"

    def _limits(self, tolerance: Tolerance) -> dict[str, bool]:
        """What can be said of partners, and whether it is within the limit; rounded to the worse side."""
        found = {}
        if (iou := self.mean_iou) is not None:
            found[f"mean IoU {_floor(iou, 4):g} ({tolerance.mean_iou:g} needed)"] = iou >= tolerance.mean_iou
        if (diff := self.largest_score_diff) is not None:
            text = f"largest score difference {abs(_floor(-diff, 4)):g} ({tolerance.score_diff:g} allowed)"
            found[text] = diff <= tolerance.score_diff
        return found

    def to_json(self) -> dict[str, Any]:
        """The numbers for a report; IoU's low percentiles and the scores' high ones, where trouble shows."""
        return {
            "pictures": self.pictures,
            "photos": len(self.counted),
            "native_boxes": self.native_boxes,
            "matched": self.matched,
            "missing": self.missing,
            "extra": self.extra,
            "class_flips": self.class_flips,
            "matched_share": _rounded(self.matched_share),
            "wrong_share": _rounded(self.wrong_share),
            "wrong_interval": [_rounded(bound) for bound in spread.interval(self.counted) or ()] or None,
            "rows": self.rows,
            "rows_apart": self.rows_apart,
            "mean_iou": _rounded(self.mean_iou),
            "largest_score_diff": _rounded(self.largest_score_diff),
            "iou": _percentiles(self.ious, (5, 50)),
            "score_diff": _percentiles(self.score_diffs, (50, 95)),
        }


def total(comparisons: Iterable[Comparison]) -> Agreement:
    """The comparisons of several pictures, added up."""
    every = list(comparisons)
    counts = ("pictures", "missing", "extra", "class_flips", "apart", "rows", "rows_apart")
    return Agreement(
        **{name: sum(getattr(each, name) for each in every) for name in counts},
        ious=_joined(each.ious for each in every),
        score_diffs=_joined(each.score_diffs for each in every),
        counted=merged(photo for each in every for photo in each.photos),
    )


def _joined(parts: Iterable[Numbers]) -> Numbers:
    return np.concatenate([np.empty(0), *parts])


def _floor(value: float, digits: int) -> float:
    return floor(round(value * 10.0**digits, 6)) / 10.0**digits


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _percentiles(values: Numbers, wanted: tuple[int, ...]) -> dict[str, float | None]:
    found = np.percentile(values, wanted).tolist() if len(values) else [None] * len(wanted)
    return {f"p{each}": _rounded(value) for each, value in zip(wanted, found, strict=True)}
