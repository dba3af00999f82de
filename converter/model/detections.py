"""Detections: what a model found in one picture (of its raw outputs: see `converter.model.box_forms`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.outputs import BOXES, CLASSES, COUNT, SCORES

__all__ = ["BOXES", "CLASSES", "COUNT", "SCORES", "Detections", "finished"]


@dataclass(frozen=True, slots=True)
class Detections:
    """The objects in one picture, best first."""

    boxes: NDArray[np.float32]  # (n, 4): left, top, right, bottom, in pixels of the image as sent
    scores: NDArray[np.float32]  # (n,), 0 to 1, falling
    classes: NDArray[np.int32]  # (n,), the model's own ids
    dropped: int = 0  # detections left out because a number in them was not finite
    version: str = ""  # of the model that found them, where a server knows it
    decode_s: float | None = None  # what decoding its batch took, where that is not in the graph
    encoded_again: bool = False  # the picture was turned, for a model that takes files
    names: Mapping[int, str] = field(default_factory=dict)  # of its classes, where the model gives them as text
    raw: Mapping[str, NDArray[Any]] | None = None  # all outputs of this picture as the model gave them, if asked for

    def __len__(self) -> int:
        return len(self.scores)

    def best(self, *, threshold: float, limit: int, classes: frozenset[int] | None = None) -> "Detections":
        """Those of `classes` (None: all) with a score of `threshold` or more, at most `limit` of them."""
        above = (self.scores >= threshold).nonzero()[0].size  # they come first
        if classes is None:
            first = slice(min(above, limit))
            return Detections(self.boxes[first], self.scores[first], self.classes[first], self.dropped)
        keep = np.flatnonzero(np.isin(self.classes[:above], list(classes)))[:limit]
        return Detections(self.boxes[keep], self.scores[keep], self.classes[keep], self.dropped)


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
