"""Mean average precision of pictures that count several times or not at all: what a bootstrap over pictures asks for.

COCO's own evaluation matches detections with objects, which resampling leaves as it is; here the matches are only added
up, for many resamples at once. With each picture once it gives what COCO's gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 101)  # at which precision is read
_LEAST = np.spacing(1)


@dataclass(frozen=True, slots=True)
class CategoryMatches:
    """All detections of one category, best first; only those that count are right or wrong."""

    pictures: NDArray[np.intp]  # (n,) the picture of each
    right: NDArray[np.bool_]  # (overlaps, n)
    wrong: NDArray[np.bool_]  # likewise
    objects: Numbers  # (pictures,) how many there are to be found

    @classmethod
    def of(
        cls,
        *,
        scores: Numbers,
        pictures: NDArray[np.intp],
        right: NDArray[np.bool_],
        wrong: NDArray[np.bool_],
        objects: Numbers,
    ) -> "CategoryMatches":
        """From detections picture by picture; equal scores stay in this order, as COCO's evaluation has it."""
        order = np.argsort(-np.asarray(scores), kind="stable")
        return cls(pictures[order], right[:, order], wrong[:, order], objects)

    def average_precision(self, weights: Numbers) -> Numbers:
        """Of each resample (rows of `weights`: how often each picture counts), NaN where there is no such object."""
        wanted = weights @ self.objects
        each = weights[:, self.pictures]
        found = [self._at(each, right, wrong, wanted) for right, wrong in zip(self.right, self.wrong, strict=True)]
        return np.where(wanted > 0, np.mean(found, axis=0), np.nan)

    def _at(self, weights: Numbers, right: NDArray[np.bool_], wrong: NDArray[np.bool_], wanted: Numbers) -> Numbers:
        """At one overlap. Only where a detection is right precision is at a peak, or recall grows."""
        at = np.flatnonzero(right)
        hits = np.cumsum(weights[:, at], axis=1)
        misses = np.cumsum(weights * wrong, axis=1)[:, at]
        recall = hits / np.maximum(wanted, 1)[:, None]
        precision = hits / (hits + misses + _LEAST)
        best_after = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.column_stack([best_after, np.zeros(len(weights))])
        places = [np.searchsorted(row, RECALLS, side="left") for row in recall]
        return np.array([row[place].mean() for row, place in zip(padded, places, strict=True)])


def mean_average_precision(categories: Sequence[CategoryMatches], weights: Numbers) -> Numbers:
    """The mean over the categories that a resample has objects of, for each row of `weights`."""
    found: Numbers = np.nanmean([each.average_precision(weights) for each in categories], axis=0)
    return found
