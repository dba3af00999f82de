"""Small detectors, each to be cut into its parts in another way; SavedModels in folders of these names.

    python -m tests.support.models.cuts ROOT

loop: decoded in tf.map_fn, as today's TensorFlow writes it; old_loop: the same as TensorFlow 1 wrote it;
one_picture: decoded without a loop, so that it takes one picture at a time; read_twice: the files' lengths matter too;
boxes_by_class: ends with what ONNX has no counterpart for; dilated: has such an operation in its middle;
gray: decoded with all attributes other than their defaults; blind: never looks at the pictures;
heavy: has weights that are kept out of its graph, in the network, in a loop and in its end.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter.model.detections import BOXES, CLASSES, COUNT, SCORES

Tensor = Any  # TensorFlow carries no types.

SIDE, CELLS, KINDS = 64, 8, 3  # of a picture, of the grid of boxes (CELLS²), number of classes
MOST = CELLS * CELLS * KINDS  # detections: none is left out
_DRAWN = np.random.default_rng(7)
_FIRST = _DRAWN.normal(0.0, 0.4, (5, 5, 3, 8)).astype(np.float32)
_LARGE = [tf.Variable(np.random.default_rng(8).normal(0.0, 0.1, (1, 1, 128, 128)).astype(np.float32)) for _ in range(2)]
_SAME = tf.Variable(np.eye(8, dtype=np.float32)[np.newaxis, np.newaxis])
_TABLE = tf.Variable(np.linspace(0.8, 1.0, 1 << 15, dtype=np.float32)[::-1])
_LAST = _DRAWN.normal(0.0, 0.12, (3, 3, 8, KINDS + 4)).astype(np.float32)


def fitted(jpeg: Tensor, **attributes: Any) -> Tensor:
    """The picture of a file, as large as the network wants it."""
    image = tf.io.decode_jpeg(jpeg, **{"channels": 3, **attributes})
    return tf.image.resize(image, [SIDE, SIDE]) / 255.0


def fitted_gray(jpeg: Tensor) -> Tensor:
    """The same, decoded in an unusual way."""
    gray = fitted(jpeg, channels=1, fancy_upscaling=False, dct_method="INTEGER_ACCURATE")
    return tf.tile(gray, [1, 1, 3])


def numbers(pictures: Tensor, between: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> tuple[Tensor, Tensor]:
    """Boxes (N, CELLS², 4) and scores (N, CELLS², KINDS)."""
    features = between(tf.nn.relu(tf.nn.conv2d(pictures - 0.5, _FIRST, 4, "SAME")))
    found = tf.reshape(tf.nn.conv2d(features, _LAST, 2, "SAME"), [-1, CELLS * CELLS, KINDS + 4])
    grid = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij"), -1).reshape(-1, 2) / CELLS
    corners = tf.constant(grid, tf.float32) + 0.02 * tf.tanh(found[..., :2])
    sizes = 0.12 * tf.exp(0.1 * tf.tanh(found[..., 2:4]))
    return tf.concat([corners, corners + sizes], -1), tf.sigmoid(found[..., 4:])


def ended(boxes: Tensor, scores: Tensor) -> Mapping[str, Tensor]:
    """The four outputs."""
    found = tf.image.combined_non_max_suppression(boxes, scores, MOST, MOST, iou_threshold=0.5, score_threshold=0.05)
    return {BOXES: found[0], SCORES: found[1], CLASSES: found[2] + 1.0, COUNT: tf.cast(found[3], tf.float32)}


def loop(jpegs: Tensor, fit: Callable[[Tensor], Tensor] = fitted) -> Mapping[str, Tensor]:
    boxes, scores = numbers(tf.map_fn(fit, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32)))
    return ended(boxes[:, :, tf.newaxis], scores)


def swollen(jpegs: Tensor) -> Mapping[str, Tensor]:
    """Not one of TODAY: `loop` with SiLU, and between its convolutions values that FP16 can't hold."""

    def between(features: Tensor) -> Tensor:
        return tf.nn.silu(tf.nn.conv2d(features * 1e5, _SAME, 1, "SAME")) / 1e5

    pictures = tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))
    boxes, scores = numbers(pictures, between)
    return ended(boxes[:, :, tf.newaxis], scores)


def one_picture(jpegs: Tensor) -> Mapping[str, Tensor]:
    boxes, scores = numbers(fitted(tf.reshape(jpegs, []))[tf.newaxis])
    return ended(boxes[:, :, tf.newaxis], scores)


def read_twice(jpegs: Tensor) -> Mapping[str, Tensor]:
    found = loop(jpegs)
    long = tf.cast(tf.strings.length(jpegs) > 1_000_000, tf.float32)
    return {**found, SCORES: found[SCORES] * (1.0 - 0.5 * long[:, tf.newaxis])}


def boxes_by_class(jpegs: Tensor) -> Mapping[str, Tensor]:
    pictures = tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))
    boxes, scores = numbers(pictures)
    return ended(boxes[:, :, tf.newaxis] + np.linspace(0.0, 0.01, KINDS, dtype=np.float32)[:, np.newaxis], scores)


def dilated(jpegs: Tensor) -> Mapping[str, Tensor]:
    def between(features: Tensor) -> Tensor:
        return tf.nn.dilation2d(features, np.zeros((3, 3, 8), np.float32), [1] * 4, "SAME", "NHWC", [1] * 4)

    pictures = tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))
    boxes, scores = numbers(pictures, between)
    return ended(boxes[:, :, tf.newaxis], scores)


def gray(jpegs: Tensor) -> Mapping[str, Tensor]:
    return loop(jpegs, fitted_gray)


def heavy(jpegs: Tensor) -> Mapping[str, Tensor]:
    def layer(values: Tensor, number: int) -> Tensor:
        return tf.nn.relu(tf.nn.conv2d(values, _LARGE[number], 1, "SAME"))

    def between(features: Tensor) -> Tensor:
        wide = layer(tf.repeat(features, 16, -1), 0)
        _, wide = tf.while_loop(lambda i, _: i < 2, lambda i, values: (i + 1, layer(values, 1)), (0, wide))
        return features + 0.1 * wide[..., ::16]

    pictures = tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))
    boxes, scores = numbers(pictures, between)
    found = ended(boxes[:, :, tf.newaxis], scores)
    return {
        **found,
        SCORES: found[SCORES]
        * tf.gather(_TABLE, tf.strings.to_hash_bucket_fast(tf.as_string(found[CLASSES]), 1 << 15)),
    }


def blind(jpegs: Tensor) -> Mapping[str, Tensor]:
    pictures = tf.size(jpegs)
    boxes = tf.tile([[[0.1, 0.2, 0.3, 0.4]]], [pictures, 1, 1])
    scores = tf.fill([pictures, 1], 0.9)
    return {BOXES: boxes, SCORES: scores, CLASSES: scores / 0.9, COUNT: tf.fill([pictures], 1.0)}


TODAY = (loop, one_picture, read_twice, boxes_by_class, dilated, gray, heavy, blind)


def save(function: Callable[[Tensor], Mapping[str, Tensor]], folder: Path) -> None:
    """Write a function as a SavedModel."""
    module = tf.Module()
    module.kept = [*_LARGE, _SAME, _TABLE]
    spec = tf.TensorSpec([None], tf.string, name="jpegs")
    module.serve = tf.function(lambda jpegs: function(jpegs), input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def save_old(folder: Path) -> None:
    """Write `loop` as TensorFlow 1 did: its loops are single operations."""
    tf.compat.v1.disable_control_flow_v2()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        jpegs = tf.compat.v1.placeholder(tf.string, [None], "jpegs")
        outputs = loop(jpegs)
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"jpegs": jpegs}, dict(outputs))
    tf.compat.v1.enable_control_flow_v2()


def build(root: Path) -> None:
    """Write them all."""
    for function in TODAY:
        save(function, root / function.__name__)
    save_old(root / "old_loop")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
