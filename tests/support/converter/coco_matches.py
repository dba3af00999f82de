"""Writes `tests/data/coco_matches.json`: which boxes COCO's own evaluation pairs. Run by hand, never by tests.

    PYTHONPATH=. .venv/bin/python tests/support/converter/coco_matches.py

The pictures: for each photo that was labelled by hand, the labels against what the bundled model finds, and what it
finds against the same with noise; then crowds of made-up boxes that overlap. Boxes are left, top, right, bottom.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from app.settings import bundled_model
from converter.model.detections import Detections
from converter.model.signature import load
from tests.support.converter.reading import from_outputs
from tests.support.places import ROOT

LABELS = ROOT / "tests" / "data" / "photo_labels.json"
Picture = dict[str, Any]  # name, native, copy, pairs; native and copy are rows of 4 corners, score, class


def pictures(crowds: int) -> Iterator[Picture]:
    """All pictures, with the pairs that COCO finds."""
    rng = np.random.default_rng(0)
    for name, labels, found in photos():
        yield picture(f"{name}: labels, model", labels, found)
        yield picture(f"{name}: model, noise", found, noisy(found, rng))
    for number in range(crowds):
        native = crowd(rng)
        yield picture(f"crowd {number}", native, noisy(native, rng))


def picture(name: str, native: list[list[float]], copy: list[list[float]]) -> Picture:
    return {"name": name, "native": native, "copy": copy, "pairs": coco_pairs(native, copy)}


def coco_pairs(native: list[list[float]], copy: list[list[float]]) -> list[list[int]]:
    """Rows of native and of the copy that `COCOeval` pairs at an IoU of 0.5, native being the truth."""
    classes = sorted({int(row[5]) for row in native + copy})
    truth, found = COCO(), COCO()
    for side, rows in ((truth, native), (found, copy)):
        side.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": each} for each in classes],
            "annotations": [annotation(number, row) for number, row in enumerate(rows, start=1)],
        }
        side.createIndex()
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.params.iouThrs = np.array([0.5])
    evaluation.params.areaRng = evaluation.params.areaRng[:1]
    evaluation.evaluate()
    pairs = [
        [int(partner) - 1, copys - 1]
        for each in evaluation.evalImgs
        if each
        for copys, partner in zip(each["dtIds"], each["dtMatches"][0], strict=True)
        if partner
    ]
    return sorted(pairs)


def annotation(number: int, row: list[float]) -> dict[str, Any]:
    left, top, right, bottom, score, category = row
    box = [left, top, right - left, bottom - top]
    rest = {"id": number, "image_id": 1, "category_id": int(category), "iscrowd": 0}
    return {**rest, "bbox": box, "area": box[2] * box[3], "score": score}


def photos() -> Iterator[tuple[str, list[list[float]], list[list[float]]]]:
    """Name, labels and the model's answer (scores of 0.1 and more) of each labelled photo that is in the repository."""
    model, signature = load(bundled_model() / "1")
    labels = json.loads(LABELS.read_text())
    lines = (bundled_model() / "1" / "assets.extra" / "labels.txt").read_text().splitlines()
    numbers = {name: int(number) for number, name in (line.split(" ", 1) for line in lines)}
    ids = {item["id"]: numbers[item["name"]] for item in labels["categories"] if item["name"] in numbers}
    for image in labels["images"]:
        folders = (ROOT / "converter" / "photos", ROOT / "tests" / "data")
        for path in (folder / image["file_name"] for folder in folders):
            if path.exists():
                outputs = signature(tf.constant([path.read_bytes()]))
                arrays = {key: tensor.numpy() for key, tensor in outputs.items()}
                (found,) = from_outputs(arrays, [(image["width"], image["height"])])
                drawn = [item for item in labels["annotations"] if item["image_id"] == image["id"]]
                yield path.stem, [label(item, ids) for item in drawn if not item["iscrowd"]], rows_of(found)
    del model


def label(item: dict[str, Any], ids: dict[int, int]) -> list[float]:
    left, top, width, height = item["bbox"]
    return [left, top, left + width, top + height, 1.0, ids[item["category_id"]]]


def rows_of(found: Detections) -> list[list[float]]:
    best = found.best(threshold=0.1, limit=100)
    return [
        [*[round(float(corner), 1) for corner in box], round(float(score), 6), int(number)]
        for box, score, number in zip(best.boxes, best.scores, best.classes, strict=True)
    ]


def crowd(rng: np.random.Generator) -> list[list[float]]:
    """Boxes of a few classes around a few places, so that many overlap by half and more."""
    places = rng.uniform(100, 500, (int(rng.integers(1, 5)), 2))
    rows = []
    for _ in range(int(rng.integers(1, 25))):
        middle = places[rng.integers(len(places))] + rng.normal(0, 12, 2)
        size = rng.uniform(60, 110, 2)
        corners = [*(middle - size / 2), *(middle + size / 2)]
        rows.append([*[round(float(corner), 1) for corner in corners], score(rng), int(rng.integers(1, 4))])
    return rows


def noisy(rows: list[list[float]], rng: np.random.Generator) -> list[list[float]]:
    """Another model's answer: corners and scores moved, some boxes gone, some twice, some of another class."""
    changed = []
    for row in rows:
        for _ in range(int(rng.choice([0, 1, 2], p=[0.1, 0.75, 0.15]))):
            corners = [round(float(corner + rng.normal(0, 6)), 1) for corner in row[:4]]
            category = int(row[5]) if rng.random() < 0.9 else int(row[5]) + 1
            changed.append([*corners, score(rng), category])
    rng.shuffle(changed)
    return changed


def score(rng: np.random.Generator) -> float:
    return round(float(rng.uniform(0.1, 1)), 6)


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        lines = [json.dumps(each, separators=(",", ":")) for each in pictures(crowds=40)]
    (LABELS.parent / "coco_matches.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
