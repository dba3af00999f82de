"""Which reading a model's boxes have: that in which they lie in photos, and move along when these are changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from converter.contract import UnusableModel
from converter.description import AFTER_NMS, API, KERAS, RAW, TPU, Description
from converter.model.box_forms import corners
from converter.model.found import COUNTING
from converter.model.inner_sizes import inner_readings, uneven_readings
from converter.model.moving import Moves, Trial, moves
from converter.outputs import BOXES, INFO, ROWS
from converter.reading import CENTRE, CORNER, EXAMPLES, FORM, ORDERS, PIXELS, SCALED, SHARES, Reading

FEWEST = 3  # objects that must move along with every change
_SLACK = 0.05  # how far a box may leave its picture, in pictures
_FEW = 0.15  # share of the boxes that may do so even in the right reading
_EQUAL = 0.6  # a reading that fits this well, of the best, may be meant too
_SAME = 0.015  # pictures; readings whose boxes differ by less say the same
_STABLE = 0.5  # share of its objects that a detector finds again, if changed photos can tell anything
_TOLD = 3  # other readings that the evidence tells of
# The orders that each kind of outputs is known for come first: of readings that say the same the first is told.
_FIRST_ORDER = {API: "yxyx", TPU: "yxyx", KERAS: "xyxy"}


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well one reading fits what a model found."""

    reading: Reading
    wrong: float  # share of the boxes that leave their picture or have no area
    along: int  # objects that move along with every change
    credit: float  # the same, each less by how far it is from where it should be

    @property
    def possible(self) -> bool:
        """Whether it is not excluded by itself."""
        return self.wrong <= _FEW and self.along >= FEWEST

    def __str__(self) -> str:
        return f"{self.reading}: {self.along} move along, {self.wrong:.0%} of the boxes impossible"


@dataclass(frozen=True, slots=True)
class _Photos:
    """What a model found in photos and changed ones."""

    trials: Sequence[Trial]
    moves: Moves

    @property
    def boxes(self) -> int:
        """How many boxes of scores that count there are in the photos themselves."""
        return sum(len(trial.photo.rows.at_least(COUNTING).scores) for trial in self.trials)

    def fit(self, reading: Reading) -> _Fit:
        """How well a reading fits."""
        off = self.moves.along(reading)
        return _Fit(reading, self.wrong(reading), len(off), float(np.sum(1 - off)))

    def wrong(self, reading: Reading) -> float:
        """The share of the boxes that can't be, in this reading."""
        boxes = self.shares(reading, changed=True)
        outside = (boxes < -_SLACK).any(axis=1) | (boxes > 1 + _SLACK).any(axis=1)
        empty = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
        return float((outside | empty).mean()) if len(boxes) else 0.0

    def shares(self, reading: Reading, *, changed: bool = False) -> NDArray[np.float64]:
        """All boxes in one reading, in shares of their pictures."""
        seen = [each for trial in self.trials for each in (trial.pictures if changed else [trial.photo])]
        boxes = [
            corners(one.rows.at_least(COUNTING), reading, one.placed) / np.tile(one.placed.size, 2) for one in seen
        ]
        return np.concatenate(boxes) if boxes else np.zeros((0, 4))

    def differ(self, first: Reading, second: Reading) -> bool:
        """Whether two readings say different things."""
        return bool((np.abs(self.shares(first) - self.shares(second)) > _SAME).any())

    def __str__(self) -> str:
        return f"{self.boxes} boxes on {len(self.trials)} photos"


def read_boxes(description: Description, trials: Sequence[Trial]) -> Description:
    """The description with the reading of its boxes; UnusableModel if what was found tells none or several."""
    photos = _Photos(trials, moves(trials))
    if not photos.boxes:
        return _documented(description, photos, "it finds nothing in the probe photos")
    fits = _fits(description, photos)
    left = _left(photos, fits)
    if len(left) == 1:
        return _with_evidence(description, photos, left[0], fits)
    if left:
        raise _unreadable(description, f"several readings fit its {photos}", [str(fit.reading) for fit in left])
    if photos.moves.again >= max(FEWEST, _STABLE * photos.moves.objects):
        raise _unreadable(description, f"no reading fits its {photos}: {_listed(_best(fits)[:_TOLD])}")
    why = f"of {photos.moves.objects} sure objects {photos.moves.again} are found again in changed photos, too few"
    return _documented(description, photos, why)


def _fits(description: Description, photos: _Photos) -> list[_Fit]:
    """Of the readings that boxes may have; those with sides that had to be measured only where no other is left."""
    if description.boxes:
        return [photos.fit(reading) for reading in Reading.parse(description.boxes).choices]
    fits = list(map(photos.fit, _readings(description, photos)))
    if any(fit.possible for fit in fits):
        return fits
    uneven = (uneven_readings(photos.moves.pairs, order) for order in _orders(description))
    return fits + list(map(photos.fit, chain.from_iterable(uneven)))


def _orders(description: Description) -> list[str]:
    if description.convention == RAW:
        return [AFTER_NMS]
    first = _FIRST_ORDER.get(description.convention, "xyxy")
    return sorted(ORDERS, key=lambda order: order != first)


def _readings(description: Description, photos: _Photos) -> Iterator[Reading]:
    """Those that boxes may have, likelier ones first."""
    units = (SCALED, SHARES, PIXELS) if INFO in description.outputs else (SHARES, PIXELS)
    pads = () if description.input.size else (CENTRE, CORNER)  # a graph pads no picture of a fixed size
    for order in _orders(description):
        yield from (Reading(order=order, unit=unit) for unit in units)
        yield from (Reading(order=order, unit=SHARES, pad=pad) for pad in pads)
        yield from inner_readings(photos.moves.pairs, order, pads)


def _left(photos: _Photos, fits: Sequence[_Fit]) -> list[_Fit]:
    """The readings that may be meant, the best first; of those that say the same one."""
    best = _best(fit for fit in fits if fit.possible)
    left: list[_Fit] = []
    for fit in best:
        if fit.credit >= _EQUAL * best[0].credit and all(photos.differ(fit.reading, each.reading) for each in left):
            left.append(fit)
    return left


def _best(fits: Iterable[_Fit]) -> list[_Fit]:
    return sorted(fits, key=lambda fit: -round(fit.credit, 3))


def _listed(fits: Iterable[_Fit]) -> str:
    return "; ".join(map(str, fits))


def _with_evidence(description: Description, photos: _Photos, best: _Fit, fits: Sequence[_Fit]) -> Description:
    others = _listed([fit for fit in _best(fits) if photos.differ(fit.reading, best.reading)][:_TOLD])
    evidence = f"{photos}, mirrored and padded, as {best}" + (f" (as {others})" if others else "")
    return replace(description, boxes=str(best.reading), evidence=evidence)


def _documented(description: Description, photos: _Photos, why: str) -> Description:
    """The reading that the kind of outputs documents, if its boxes lie in the photos; UnusableModel otherwise."""
    known = Reading.parse(description.boxes).choices[0] if description.boxes else _by_document(description)
    if known is None or photos.wrong(known) > _FEW:
        raise _unreadable(description, why)
    said = "it was declared" if description.boxes else f"{known} is what its kind of outputs documents"
    return replace(description, boxes=str(known), evidence=f"{why}; {said}")


def _by_document(description: Description) -> Reading | None:
    """Of the object detection API, and of TPU exporters that tell how they scaled a picture."""
    if description.convention == API:
        return Reading(order="yxyx", unit=SHARES)
    if description.convention == TPU and INFO in description.outputs:
        return Reading(order="yxyx", unit=SCALED)
    return None


def _unreadable(description: Description, why: str, readings: Sequence[str] = ()) -> UnusableModel:
    names = ", ".join(repr(name) for role, name in description.outputs.items() if role in (BOXES, ROWS))
    choices = ", ".join(readings) or f"{FORM}, like {', '.join(EXAMPLES)}"
    what = f"what the boxes in {names} mean can't be found out from the packaged photos"
    return UnusableModel(f"{what}: {why}; set DETECTOR_BOXES ({choices})")
