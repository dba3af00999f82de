"""The end of a network's head: of boxes of one class that overlap only the best one stays. Imports TensorFlow.

It becomes a part of the graph, so that every copy has it: TensorFlow's operation, which does all classes of a batch in
one call, and of which an ONNX copy has NonMaxSuppression.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from converter.model.found import COUNTING
from converter.outputs import BOXES, CLASSES, COUNT, SCORES

_CORNERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """How a head is read and what is left of it."""

    head: str  # the output's name
    objectness: bool  # (N, A, 5 + C): a box, whether there is anything, and C classes; else (N, 4 + C, A)
    order: str  # of its boxes, one of `converter.reading.ORDERS`
    overlap: float  # most IoU of two boxes of one class
    most: int  # boxes of a picture

    def __call__(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Boxes (N, most, 4) by their corners, x before y, scores, classes from 0 and how many there are."""
        rows = tf.cast(found[self.head], tf.float32)
        if not self.objectness:
            rows = tf.transpose(rows, [0, 2, 1])
        scores = rows[..., _CORNERS:]
        if self.objectness:
            scores = scores[..., 1:] * scores[..., :1]
        boxes, scores, classes, count = tf.image.combined_non_max_suppression(
            _corners(rows[..., :_CORNERS], self.order)[:, :, tf.newaxis],
            scores,
            max_output_size_per_class=self.most,
            max_total_size=self.most,
            iou_threshold=self.overlap,
            score_threshold=COUNTING,
            clip_boxes=False,
        )
        return {BOXES: boxes, SCORES: scores, CLASSES: classes, COUNT: count}


def _corners(boxes: Any, order: str) -> Any:
    """Left, top, right and bottom of boxes (N, A, 4)."""
    if order == "yxyx":
        return tf.gather(boxes, [1, 0, 3, 2], axis=-1)
    if order == "xyxy":
        return boxes
    at, size = boxes[..., :2], boxes[..., 2:]
    begin = at - size / 2 if order == "cxcywh" else at
    return tf.concat([begin, begin + size], -1)
