"""Made-up pictures whose objects are known, and what a detector of some skill finds in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.evaluation.truth import Box, Category, Truth
from converter.model.detections import Detections
from tests.support.converter.rows import Row, answer

CATEGORIES = (Category(id=3), Category(id=7), Category(id=8), Category(id=90))  # of the last there is no object
KINDS = (3, 7, 8)


@dataclass(frozen=True)
class Scene:
    """The truth, what was found in each picture, and which category a class is."""

    truth: Truth
    found: list[Detections]
    category_of: dict[int, int]


def scene(*, seed: int, pictures: int) -> Scene:
    """Some objects are missed, some found somewhat beside, some are not there."""
    rng = np.random.default_rng(seed)
    boxes, found = list[Box](), list[Detections]()
    for number in range(pictures):
        rows = list[Row]()
        for _ in range(int(rng.poisson(3))):
            left, top, kind = float(rng.uniform(0, 400)), float(rng.uniform(0, 400)), int(rng.choice(KINDS))
            side = float(rng.uniform(10, 150))
            crowd = int(rng.random() < 0.1)
            boxes.append(Box(image_id=number, category_id=kind, bbox=(left, top, side, side), iscrowd=crowd))
            if rng.random() < 0.8:
                rows.append(_near(rng, left, top, side, kind))
        for left, top in rng.uniform(0, 400, (int(rng.poisson(1)), 2)).tolist():
            rows.append(_near(rng, left, top, 50, int(rng.choice(KINDS))))
        found.append(answer(*sorted(rows, key=lambda row: -row[4])))
    ids = tuple(range(pictures))
    return Scene(Truth(ids, tuple(map(_path, ids)), boxes, CATEGORIES), found, {kind: kind for kind in KINDS})


def _near(rng: np.random.Generator, left: float, top: float, side: float, kind: int) -> Row:
    left, top = left + float(rng.normal(0, 0.08)) * side, top + float(rng.normal(0, 0.08)) * side
    return left, top, left + side, top + side, round(float(rng.uniform(0.1, 1)), 1), kind


def again(seen: Scene, weights: Sequence[int]) -> Scene:
    """The same with each picture there so many times."""
    places = [place for place, count in enumerate(weights) for _ in range(count)]
    boxes = [
        box.model_copy(update={"image_id": number})
        for number, place in enumerate(places)
        for box in seen.truth.boxes
        if box.image_id == place
    ]
    ids = tuple(range(len(places)))
    truth = Truth(ids, tuple(map(_path, ids)), boxes, CATEGORIES)
    return Scene(truth, [seen.found[place] for place in places], seen.category_of)


def _path(number: int) -> Path:
    return Path(f"{number}.jpg")
