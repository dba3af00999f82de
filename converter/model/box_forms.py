"""A model's outputs, of every kind that is known, as Detections; and which of its readings its boxes have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.contract import UnusableModel
from converter.description import API, READINGS, TPU, Description
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES, Detections, finished
from converter.model.placing import Placed
from converter.model.specs import INFO, ROWS

_COUNTING = 0.05  # scores below tell nothing of the boxes
_SLACK = 0.05  # how far a box may leave its picture, in pictures
_FEW = 0.15  # share of the boxes that may do so even in the right reading
_NEAR = 0.9  # two readings whose boxes reach that equally far can't be told apart

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Found:
    """One picture's rows as the model gave them."""

    boxes: NDArray[np.float32]  # (n, 4) in the model's own order and unit
    scores: NDArray[np.float32]
    classes: NDArray[np.float32]
    info: NDArray[np.float32] | None  # the picture's image_info


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well one reading fits what a model found in some photos."""

    reading: str
    wrong: float  # share of the boxes that leave their picture or have no area
    reach: float  # how far right or down boxes end, the median, in pictures

    def __str__(self) -> str:
        return f"{self.reading}: {self.wrong:.0%} impossible, half end beyond {self.reach:.3g} of the picture"


def read(outputs: Outputs, description: Description, placed: Sequence[Placed]) -> list[Detections]:
    """The outputs of one batch, split by picture, in pixels of the pictures as sent; rows beyond `placed` are padding.

    `outputs` has the tensors by their own names: boxes (N, M, 4), scores and classes (N, M), counts (N,), or rows
    (N, M, 7) of a number, a box, a score and a class.
    """
    found = [_found(outputs, description, number) for number in range(len(placed))]
    return [
        finished(corners(each, description.boxes, where), each.scores, each.classes, where.size)
        for each, where in zip(found, placed, strict=True)
    ]


def infer_box_form(description: Description, answers: Sequence[tuple[Outputs, Placed]]) -> Description:
    """The description with the reading of its boxes, from what the model answered to single photos.

    UnusableModel if that tells too little and the kind of outputs has no reading of its own.
    """
    found = [(_counting(_found(outputs, description, 0)), placed) for outputs, placed in answers]
    boxes = sum(len(each.scores) for each, _ in found)
    if not boxes:
        return _by_itself(description, "it finds nothing in the probe photos")
    return _best(description, found, photos=f"{boxes} boxes on {len(found)} photos")


def _best(description: Description, found: Sequence[tuple[_Found, Placed]], *, photos: str) -> Description:
    """The description with the reading that fits best; `photos` is what there is to go by, in words."""
    fits = _fits(_readings(description), found)
    good = [fit for fit in fits if fit.wrong <= _FEW]
    if not good:
        return _by_itself(description, f"none fits its {photos} ({'; '.join(map(str, fits))})")
    equal = [fit.reading for fit in good if fit.reach >= _NEAR * good[0].reach]
    if description.convention != API and _differ(equal, found):
        return _by_itself(description, f"its {photos} fit several ({'; '.join(map(str, good))})")
    best = min(equal, key=_readings(description).index)
    return replace(description, boxes=best, evidence=_evidence(photos, best, fits))


def _evidence(photos: str, best: str, fits: Sequence[_Fit]) -> str:
    chosen = next(fit for fit in fits if fit.reading == best)
    others = "; ".join(str(fit) for fit in fits if fit.reading != best)
    return f"{photos} as {chosen}" + (f" (as {others})" if others else "")


def corners(found: _Found, reading: str, placed: Placed) -> NDArray[np.float64]:
    """Left, top, right and bottom of boxes (n, 4), in pixels of the picture as sent; not cut off at its edges."""
    order, _, unit = reading.partition("_")
    boxes = found.boxes.astype(np.float64)
    if order == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    if order == "xywh":
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    if unit == "norm":
        boxes = boxes * np.tile(placed.given, 2)
    if unit == "scaled" and found.info is not None:
        boxes = _unscaled(boxes, found.info)
    scaled: NDArray[np.float64] = boxes / np.tile(placed.scale, 2)
    return scaled


def _unscaled(boxes: NDArray[np.float64], info: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pixels before the graph's own scaling, from its `image_info` in either of its forms.

    (4, 2): heights and widths of the picture and of the scaled one, the scale and the offset, in y and x each
    (tensorflow/tpu, models/official/detection/utils/input_utils.py); (5,): the scaled height and width, the factor
    back to the picture, its height and width.
    """
    if info.ndim == 1:
        return boxes * float(info[2])
    scale, offset = info[2, ::-1].astype(np.float64), info[3, ::-1].astype(np.float64)
    return (boxes + np.tile(offset, 2)) / np.tile(scale, 2)


def _found(outputs: Outputs, description: Description, number: int) -> _Found:
    given = {role: np.asarray(outputs[name])[number] for role, name in description.outputs.items()}
    info = given.get(INFO)
    if description.convention == TPU:
        rows = given[ROWS]
        boxes, scores, classes = rows[:, 1:5], rows[:, 5], rows[:, 6]
    else:
        boxes, scores, classes = given[BOXES], given[SCORES], given[CLASSES]
    if COUNT in given:
        kept = int(np.clip(np.nan_to_num(float(given[COUNT])), 0, len(scores)))  # it comes from the model too
        boxes, scores, classes = boxes[:kept], scores[:kept], classes[:kept]
    if description.convention != API:  # these fill up with rows of scores below 0
        filled = ~(scores < 0)
        boxes, scores, classes = boxes[filled], scores[filled], classes[filled]
    return _Found(boxes, scores, classes, info)


def _counting(found: _Found) -> _Found:
    with np.errstate(invalid="ignore"):
        kept = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.classes) & (found.scores >= _COUNTING)
    return replace(found, boxes=found.boxes[kept], scores=found.scores[kept], classes=found.classes[kept])


def _readings(description: Description) -> list[str]:
    """Those that are possible, likelier ones first."""
    scaled = INFO in description.outputs
    return [each for each in READINGS[description.convention] if scaled or not each.endswith("_scaled")]


def _shares(reading: str, found: Sequence[tuple[_Found, Placed]]) -> Iterator[NDArray[np.float64]]:
    """The boxes of each photo in shares of it."""
    for each, placed in found:
        yield corners(each, reading, placed) / np.tile(placed.size, 2)


def _fits(readings: Sequence[str], found: Sequence[tuple[_Found, Placed]]) -> list[_Fit]:
    """How well each reading fits, the one with the farthest boxes first."""
    return sorted((_fit(each, found) for each in readings), key=lambda fit: -fit.reach)


def _differ(readings: Sequence[str], found: Sequence[tuple[_Found, Placed]]) -> bool:
    """Whether these readings say different things of the photos."""
    return len({_shape(each, found) for each in readings}) > 1


def _fit(reading: str, found: Sequence[tuple[_Found, Placed]]) -> _Fit:
    boxes = np.concatenate(list(_shares(reading, found)))
    outside = (boxes < -_SLACK).any(axis=1) | (boxes > 1 + _SLACK).any(axis=1)
    empty = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    return _Fit(reading, float((outside | empty).mean()), float(np.median(boxes[:, 2:].max(axis=1))))


def _shape(reading: str, found: Sequence[tuple[_Found, Placed]]) -> bytes:
    """The same for readings that say the same of these photos."""
    boxes: NDArray[np.float64] = np.concatenate(list(_shares(reading, found)))
    return bytes(np.round(boxes, 2).tobytes())


def _by_itself(description: Description, why: str) -> Description:
    """The reading that the kind of outputs documents; UnusableModel where there are several."""
    if description.convention == API:
        evidence = f"{why}; normalised boxes are what the object detection API gives"
        return replace(description, boxes=READINGS[API][0], evidence=evidence)
    names = ", ".join(repr(name) for role, name in description.outputs.items() if role in (BOXES, ROWS))
    raise UnusableModel(
        f"what the boxes in {names} mean can't be read: {why}; say it by DETECTOR_BOXES "
        f"({', '.join(_readings(description))})"
    )
