"""What a right answer is: the objects that the server found in the same photo at the start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.serving import Server

THRESHOLD = 0.25  # that of requests which name none
_NEAR = 0.03  # a score so near to the threshold may come out on either side: sums of floats depend on the batch
_LEAST_IOU = 0.98
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """One object: its name, its corners (left, top, right, bottom, pixels) and its score."""

    label: str
    box: Box
    score: float


class Expected:
    """The objects in each photo, as native and the copy found them at the start."""

    def __init__(self, server: Server, photos: Sequence[bytes], copy: str) -> None:
        answers = {
            backend: [server.detect(photo, backend=backend, threshold=THRESHOLD - _NEAR) for photo in photos]
            for backend in ("native", copy)
        }
        self._known: Mapping[str, list[list[Found]]] = {
            backend: [_objects(answer.raise_for_status().json()) for answer in each]
            for backend, each in answers.items()
        }

    def problem(self, photo: int, answer: Mapping[str, Any]) -> str | None:
        """What is wrong with the answer for the photo of this index; None if nothing is."""
        backend = answer["backend"]
        if backend not in self._known:
            return f"an answer of {backend!r}"
        known, found = self._known[backend][photo], _objects(answer)
        certain = [each for each in known if each.score >= THRESHOLD + _NEAR]
        lost = [each for each in certain if not _among(each, found)]
        new = [each for each in found if not _among(each, known)]
        return f"photo {photo}, {backend}: lost {lost}, new {new}" if lost or new else None


def _objects(answer: Mapping[str, Any]) -> list[Found]:
    return [Found(each["label"], _corners(each["box"]), each["score"]) for each in answer["detections"]]


def _corners(box: Mapping[str, float]) -> Box:
    return box["xmin"], box["ymin"], box["xmax"], box["ymax"]


def _among(one: Found, others: Iterable[Found]) -> bool:
    return any(one.label == each.label and iou(one.box, each.box) >= _LEAST_IOU for each in others)


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)
