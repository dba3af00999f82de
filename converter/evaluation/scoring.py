"""COCO's mean average precision of what a model found, by COCO's own evaluation (pycocotools)."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.contract import TargetUnavailable
from converter.evaluation.precision import CategoryMatches
from converter.evaluation.truth import Truth
from converter.model.detections import Detections

# As COCOeval.summarize orders them: over overlaps from 0.5 to 0.95, at one, and by the objects' size.
NAMES = ("map", "map50", "map75", "map_small", "map_medium", "map_large")


@dataclass(frozen=True, slots=True)
class Score:
    """What a model reaches; None where no object is of that size."""

    precisions: Mapping[str, float | None]  # by NAMES
    matches: Sequence[CategoryMatches]  # of which the first is the mean


def check_installed() -> None:
    """TargetUnavailable if pycocotools is missing here."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as error:
        raise TargetUnavailable("pycocotools is not installed: pip install '.[evaluate]'") from error


def score(truth: Truth, found: Sequence[Detections], category_of: Mapping[int, int]) -> Score:
    """The score of what was found in each of the pictures; classes without a category have no part in it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    pictures = [{"id": number} for number in truth.ids]
    categories = [{"id": each.id} for each in truth.categories]
    drawn, told = COCO(), COCO()
    for side, rows in ((drawn, _objects(truth)), (told, _answers(truth, found, category_of))):
        side.dataset = {"images": pictures, "categories": categories, "annotations": list(rows)}
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of its steps
        drawn.createIndex()
        told.createIndex()
        evaluation = COCOeval(drawn, told, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [None if value < 0 else round(float(value), 5) for value in evaluation.stats[: len(NAMES)]]
    return Score(dict(zip(NAMES, stats, strict=True)), list(_matches(evaluation, truth)))


def _objects(truth: Truth) -> Iterator[dict[str, Any]]:
    for number, box in enumerate(truth.boxes, start=1):  # 0 would be nobody's
        area = box.bbox[2] * box.bbox[3] if box.area is None else box.area
        yield {"id": number, **box.model_dump(exclude={"area"}), "bbox": list(box.bbox), "area": area}


def _answers(truth: Truth, found: Sequence[Detections], category_of: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    number = 0
    for picture, each in zip(truth.ids, found, strict=True):
        best = each.best(threshold=0, limit=len(each), classes=frozenset(category_of))
        for corners, value, kind in zip(best.boxes.tolist(), best.scores.tolist(), best.classes.tolist(), strict=True):
            left, top, right, bottom = corners
            width, height = right - left, bottom - top
            number += 1
            yield {
                "id": number,
                "image_id": picture,
                "category_id": category_of[kind],
                "bbox": [left, top, width, height],
                "area": width * height,
                "score": value,
                "iscrowd": 0,
            }


def _matches(evaluation: Any, truth: Truth) -> Iterator[CategoryMatches]:
    """What is kept of each category's pictures: objects of all sizes, the best detections."""
    numbers = {each: place for place, each in enumerate(truth.ids)}
    parts: dict[int, list[dict[str, Any]]] = {}
    for each in _of_all_sizes(evaluation):
        parts.setdefault(each["category_id"], []).append(each)
    for of_category in parts.values():
        yield _added_up(of_category, [numbers[each["image_id"]] for each in of_category], len(numbers))


def _of_all_sizes(evaluation: Any) -> Iterator[dict[str, Any]]:
    everything = evaluation.params.areaRng[0]
    return (each for each in evaluation.evalImgs if each and each["aRng"] == everything)


def _added_up(parts: Sequence[Mapping[str, Any]], places: Sequence[int], pictures: int) -> CategoryMatches:
    """One category's pictures, which have these places among all."""
    objects = np.zeros(pictures)
    objects[places] = [np.count_nonzero(each["gtIgnore"] == 0) for each in parts]
    hits = np.concatenate([each["dtMatches"] > 0 for each in parts], axis=1)
    counting = np.concatenate([~each["dtIgnore"] for each in parts], axis=1)
    return CategoryMatches.of(
        scores=np.concatenate([each["dtScores"] for each in parts]),
        pictures=np.repeat(places, [len(each["dtScores"]) for each in parts]),
        right=hits & counting,
        wrong=~hits & counting,
        objects=objects,
    )
