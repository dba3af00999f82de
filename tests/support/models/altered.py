"""Copies of the bundled detector that differ from it in one known way, each a SavedModel in a folder of this name.

    python -m tests.support.models.altered SOURCE ROOT

surer: the scores of one class are 0.1 higher, up to 1; moved: every box is shifted by 5 % of its size, in x and in y
towards the picture's middle, where it is not cut off; slower: each picture costs some work more; coarser: JPEG files
are decoded at half their size.
"""

import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from deploy.worse_copy import worsen
from tests.support.models.shifts import MOVED_BY, PERSON, SURER_BY

ROUNDS, SIDE = 48, 512  # of multiplying a square of numbers with itself

Outputs = dict[str, Any]


def surer(found: Outputs, _: "tf.Tensor") -> Outputs:
    scores = found["detection_scores"]
    persons = tf.logical_and(found["detection_classes"] == float(PERSON), scores > 0)
    return {**found, "detection_scores": tf.where(persons, tf.minimum(scores + SURER_BY, 1.0), scores)}


def moved(found: Outputs, _: "tf.Tensor") -> Outputs:
    low, high = tf.split(found["detection_boxes"], 2, axis=-1)
    by = tf.where((low + high) / 2 < 0.5, MOVED_BY, -MOVED_BY) * (high - low)
    return {**found, "detection_boxes": tf.concat([low + by, high + by], axis=-1)}


def slower(found: Outputs, image_bytes: "tf.Tensor") -> Outputs:
    length = tf.cast(tf.strings.length(image_bytes), tf.float32)  # so that nothing can be computed beforehand
    square = length[:, None, None] * 1e-12 + tf.eye(SIDE)
    for _ in range(ROUNDS):
        square = tf.matmul(square, square)
    nothing = tf.minimum(tf.abs(tf.reduce_sum(square, axis=[1, 2])), 0.0)
    return {**found, "detection_scores": found["detection_scores"] + nothing[:, None]}


def save(source: str, dest: Path, change: Any) -> None:
    """The detector with its outputs changed."""
    bundled = tf.saved_model.load(source)
    detect = bundled.signatures["serving_default"]

    @tf.function(  # type: ignore[untyped-decorator]  # no types
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False
    )
    def serve(image_bytes: tf.Tensor) -> Outputs:
        return dict(change(detect(image_bytes=image_bytes), image_bytes))

    module = tf.Module()
    module.bundled, module.serve = bundled, serve
    tf.saved_model.save(module, str(dest), signatures={"serving_default": serve})


def main() -> None:
    source, root = sys.argv[1], Path(sys.argv[2])
    for change in (surer, moved, slower):
        save(source, root / change.__name__, change)
    worsen(Path(source), root / "coarser", ratio=2)


if __name__ == "__main__":
    main()
