"""Which category of the annotations a class of the model is: by what it finds, or as it is said; never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converter.comparison.overlap import Numbers, iou
from converter.contract import BadOptions
from converter.evaluation import WAYS
from converter.evaluation.truth import Truth
from converter.model.detections import Detections

_CERTAIN, _SAME_PLACE = 0.3, 0.5  # score of a detection, and its overlap with an object, that tell what it is
_FEWEST, _MOST = 5, 0.5  # such detections, and the share of them that must have the category of their object


@dataclass(frozen=True, slots=True)
class Categories:
    """A class of the model -> the id of its category, and how that is known."""

    of_class: Mapping[int, int]
    way: str
    evidence: str


def of(truth: Truth, found: Sequence[Detections], way: str | None = None) -> Categories:
    """By this way or, without one, by the one that what is found speaks for; BadOptions if none of them."""
    ways = {each: _mapped(truth, each) for each in WAYS}
    if way is not None:
        return Categories(ways[way], way, "as it was said")
    pairs = _pairs(truth, found)
    fitting = {each: _fitting(mapped, pairs) for each, mapped in ways.items()}
    best = max(WAYS, key=fitting.__getitem__)
    told = f"{fitting[best]} of {len(pairs)} certain detections are on objects of their category"
    if len(pairs) < _FEWEST or fitting[best] < _MOST * len(pairs):
        raise BadOptions(f"which category a class is can't be told: by {best} {told}; set --classes")
    return Categories(ways[best], best, told)


def _fitting(mapped: Mapping[int, int], pairs: Sequence[tuple[int, int]]) -> int:
    return sum(mapped.get(kind) == category for kind, category in pairs)


def _mapped(truth: Truth, way: str) -> dict[int, int]:
    ids = [each.id for each in truth.categories]
    return {number: number for number in ids} if way == "ids" else dict(enumerate(ids, start=int(way[-1])))


def _pairs(truth: Truth, found: Sequence[Detections]) -> list[tuple[int, int]]:
    """The class of each certain detection that lies on an object, and the category of this."""
    drawn: dict[int, list[tuple[Numbers, int]]] = {number: [] for number in truth.ids}
    for box in truth.boxes:
        left, top, width, height = box.bbox
        drawn[box.image_id].append((np.array([left, top, left + width, top + height]), box.category_id))
    pairs = []
    for number, each in zip(truth.ids, found, strict=True):
        if not drawn[number]:
            continue
        corners, categories = zip(*drawn[number], strict=True)
        certain = each.best(threshold=_CERTAIN, limit=len(each))
        overlaps = iou(certain.boxes.T.astype(np.float64)[:, :, None], np.array(corners).T[:, None, :])
        pairs += [
            (int(certain.classes[row]), categories[place])
            for row, place in enumerate(overlaps.argmax(axis=1).tolist())
            if overlaps[row, place] >= _SAME_PLACE
        ]
    return pairs
