"""Hand-drawn boxes, and how well an answer covers one."""

import json
from typing import Any

from tests.support.places import DATA

LABELS = DATA / "photo_labels.json"


def expected(photo: str) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Names and corners (left, top, right, bottom, pixels) of the objects drawn by hand in `photo`."""
    data = json.loads(LABELS.read_text())
    image = next(item["id"] for item in data["images"] if item["file_name"] == f"{photo}.jpg")
    names = {item["id"]: item["name"] for item in data["categories"]}
    return [
        (names[item["category_id"]], _corners(item["bbox"]))
        for item in data["annotations"]
        if item["image_id"] == image and not item["iscrowd"]
    ]


def best_iou(answer: dict[str, Any], label: str, corners: tuple[float, float, float, float]) -> float:
    """The largest intersection over union of `corners` with a detection called `label`; 0 if there is none."""
    boxes = [item["box"] for item in answer["detections"] if item["label"] == label]
    found = [(box["xmin"], box["ymin"], box["xmax"], box["ymax"]) for box in boxes]
    return max((iou(box, corners) for box in found), default=0.0)


def iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def _corners(bbox: list[float]) -> tuple[float, float, float, float]:
    left, top, width, height = bbox
    return left, top, left + width, top + height
