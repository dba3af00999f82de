"""How well readings of boxes fit what a model finds in photos and in changed ones: in the right one they move along."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.model.box_forms import corners
from converter.model.changes import Change
from converter.model.found import COUNTING, Found
from converter.model.grid import step
from converter.model.placing import Placed
from converter.reading import Reading

# How far the middle of a box may be from where it should be, in boxes. Detectors that are trained well are off by 0.03.
NEAR = 0.15
_OBJECTS = 5  # of a photo, the surest
_SURE = 0.25  # the score of what should be found again
_AGAIN = (0.5, 2.0)  # times an object's score that it has in the changed photo
_GROWN = (0.4, 2.5)  # times a box' sides that it has there: networks see padded photos smaller, and box less tightly

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model found in one picture, and how that lay in its input."""

    rows: Found
    placed: Placed


@dataclass(frozen=True, slots=True)
class Trial:
    """A photo and its changed ones."""

    photo: Seen
    changed: Sequence[tuple[Change, Seen]]

    @property
    def pictures(self) -> list[Seen]:
        """All of them."""
        return [self.photo, *(seen for _, seen in self.changed)]


@dataclass(frozen=True, slots=True)
class Pair:
    """The surest objects of a photo, and for each which rows of a changed photo may be the same one."""

    change: Change
    photo: Seen
    changed: Seen
    same: NDArray[np.bool_]  # (objects, rows)
    step: float  # of the grid that boxes are rounded to, in their own unit; 0 if they are on none

    @property
    def again(self) -> NDArray[np.bool_]:
        """Which objects are found again."""
        found: NDArray[np.bool_] = self.same.any(axis=1)
        return found

    def apart(self, reading: Reading) -> Numbers:
        """How far each object is from where it should be: 1 is as far as it may be, inf is not found, or not boxed."""
        before = corners(self.photo.rows, reading, self.photo.placed)
        should = self.change.moved(before, self.photo.placed.size)[:, np.newaxis]
        after = corners(self.changed.rows, reading, self.changed.placed)
        with np.errstate(all="ignore"):
            off = (np.abs(_middle(should) - _middle(after)) / self._allowed(should, reading)).max(axis=2)
            grown = _size(after) / _size(should)
            boxed = (_size(should) > 0) & (grown >= _GROWN[0]) & (grown <= _GROWN[1])
        nearest: Numbers = np.where(self.same & boxed.all(axis=2), off, np.inf).min(axis=1, initial=np.inf)
        return nearest

    def _allowed(self, boxes: Numbers, reading: Reading) -> Numbers:
        """How far the middles of boxes may be off, in pixels: by a share of each, and by a step of their grid."""
        one = np.ones(1, np.float32)
        cell = Found(one * [[0, 0, self.step, self.step]], one, one, self.changed.rows.info)
        return NEAR * _size(boxes) + _size(corners(cell, reading, self.changed.placed))

    def nearest(self) -> Iterator[tuple[int, int]]:
        """An object's row in the photo and, in the changed one, that of the nearest score."""
        for number in np.flatnonzero(self.again):
            apart = np.abs(self.changed.rows.scores - self.photo.rows.scores[number])
            yield int(number), int(np.where(self.same[number], apart, np.inf).argmin())


@dataclass(frozen=True, slots=True)
class Moves:
    """All photos beside their changed ones."""

    photos: Sequence[Sequence[Pair]]  # a photo's pairs

    @property
    def pairs(self) -> list[Pair]:
        """Those of all photos."""
        return [pair for photo in self.photos for pair in photo]

    @property
    def objects(self) -> int:
        """How many sure objects there are."""
        return sum(len(photo[0].again) for photo in self.photos)

    @property
    def again(self) -> int:
        """How many of them are found in each changed photo."""
        return sum(int(np.logical_and.reduce([pair.again for pair in photo]).sum()) for photo in self.photos)

    def along(self, reading: Reading) -> Numbers:
        """Of the objects that move along with every change: how far the worst is from where it should be, 0 to 1."""
        worst = [np.max([pair.apart(reading) for pair in photo], axis=0) for photo in self.photos]
        found = np.concatenate(worst) if worst else np.zeros(0)
        return found[found <= 1]


def moves(trials: Sequence[Trial]) -> Moves:
    """Every photo beside each of its changed ones."""
    seen = [each.rows.at_least(COUNTING).boxes for trial in trials for each in trial.pictures]
    coarse = step(np.concatenate(seen)) if seen else 0.0
    return Moves([[_pair(trial.photo, change, seen, coarse) for change, seen in trial.changed] for trial in trials])


def _pair(photo: Seen, change: Change, changed: Seen, coarse: float) -> Pair:
    sure = _surest(photo.rows)
    after = changed.rows.at_least(COUNTING)
    low, high = (sure.scores[:, np.newaxis] * factor for factor in _AGAIN)
    same = (sure.classes[:, np.newaxis] == after.classes) & (after.scores >= low) & (after.scores <= high)
    return Pair(change, Seen(sure, photo.placed), Seen(after, changed.placed), same, coarse)


def _surest(rows: Found) -> Found:
    kept = rows.at_least(_SURE)
    return kept.only(np.argsort(-kept.scores, kind="stable")[:_OBJECTS])


def _middle(boxes: Numbers) -> Numbers:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _size(boxes: Numbers) -> Numbers:
    return boxes[..., 2:] - boxes[..., :2]
