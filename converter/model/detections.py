"""Detections: what a model found in one picture, and how a model's raw outputs become that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BOXES, SCORES, CLASSES, COUNT = "detection_boxes", "detection_scores", "detection_classes", "num_detections"


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects in one picture, best first."""

    boxes: NDArray[np.float32]  # (n, 4): left, top, right, bottom, in pixels of the image as sent
    scores: NDArray[np.float32]  # (n,), 0 to 1, falling
    classes: NDArray[np.int32]  # (n,), the model's own ids
    dropped: int = 0  # detections left out because a number in them was not finite
    version: str = ""  # of the model that found them, where a server knows it
    decode_s: float | None = None  # what decoding its batch took, where that is not in the graph

    def __len__(self) -> int:
        return len(self.scores)

    def best(self, *, threshold: float, limit: int, classes: frozenset[int] | None = None) -> "Detections":
        """Those of `classes` (None: all) with a score of `threshold` or more, at most `limit` of them."""
        wanted = self.scores >= threshold
        if classes is not None:
            wanted &= np.isin(self.classes, list(classes))
        keep = np.flatnonzero(wanted)[:limit]
        return Detections(self.boxes[keep], self.scores[keep], self.classes[keep], self.dropped)


def from_outputs(outputs: Mapping[str, NDArray[np.float32]], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
    """The outputs of one batch, split by picture and scaled to pixels.

    `outputs` has the four tensors of the object detection API: boxes (N, M, 4) as ymin, xmin, ymax, xmax
    in fractions of the image, scores and classes (N, M), counts (N,). `sizes` has width and height of each
    picture; pictures beyond it are padding and are left out. Other outputs: see `converter.model.box_forms`.
    """
    return [
        _one(outputs[BOXES][i], outputs[SCORES][i], outputs[CLASSES][i], outputs[COUNT][i], size)
        for i, size in enumerate(sizes)
    ]


def finished(corners: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], size: tuple[int, int]) -> Detections:
    """Detections from rows in any order: best first, cut off at the picture's edges, without what is not finite.

    `corners` (n, 4) are left, top, right, bottom in pixels of a picture of this width and height.
    """
    finite = np.isfinite(scores) & np.isfinite(classes) & np.isfinite(corners).all(axis=1)
    order = np.flatnonzero(finite)
    order = order[np.argsort(-scores[order], kind="stable")]
    return Detections(
        boxes=np.clip(corners[order], 0, np.tile(size, 2)).astype(np.float32),
        scores=scores[order].astype(np.float32),
        classes=classes[order].astype(np.int32),
        dropped=len(scores) - len(order),
    )


def _one(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.float32],
    count: np.float32,
    size: tuple[int, int],
) -> Detections:
    rows = int(np.clip(np.nan_to_num(count), 0, len(scores)))  # the count comes from the model as the rest does
    corners = boxes[:rows][:, [1, 0, 3, 2]] * np.tile(size, 2)
    return finished(corners, scores[:rows], classes[:rows], size)
