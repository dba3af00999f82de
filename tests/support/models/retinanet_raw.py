"""Builds the RetinaNet of the file beside this one without its end: all boxes and scores, before NMS.

Its outputs are a detector's, with a box for each anchor; `all_scores` has them by class, (N, anchors, KINDS).
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from benchmarks import retinanet
from benchmarks.retinanet import Tensor
from converter.model import sampling
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES

ALL_SCORES = "all_scores"
DEPTH = 1  # of the heads: each of the five levels gets weights of its own when their normalisation is folded in
MEAN, DEVIATION = -6.0, 0.5  # of the logits: nothing is found, the bare numbers are there to be compared


def detector(size: int) -> tf.Module:
    """What is saved; its function is `serve`."""
    tf.keras.utils.set_random_seed(0)
    net = retinanet.network(size, DEPTH)
    pictures, _ = retinanet.prepare(tf.constant(sampling.packaged()), size)
    retinanet.scale(net, pictures)
    spread(net, pictures)
    return retinanet.serving(net, detect)


def spread(net: Any, pictures: Tensor) -> None:
    """Give each class channel a fixed mean and deviation over these pictures."""
    _, logits = net(pictures, training=False)
    channels = logits.numpy().reshape(-1, len(retinanet.ANCHORS) * retinanet.KINDS)
    factor = DEVIATION / channels.std(axis=0)
    last = net.get_layer("logits")
    last.set_weights([last.get_weights()[0] * factor, MEAN - channels.mean(axis=0) * factor])


def detect(net: Any, jpegs: Tensor) -> Mapping[str, Tensor]:
    """JPEG files to a box for each anchor, as shares of the photo."""
    size = net.input_shape[1]
    pictures, filled = retinanet.prepare(jpegs, size)
    shifts, logits = net(pictures, training=False)
    boxes = retinanet.shifted(tf.constant(retinanet.anchors(size)), shifts)
    scores = tf.sigmoid(logits)
    best = tf.reduce_max(scores, axis=-1)
    return {
        BOXES: tf.clip_by_value(boxes / tf.tile(filled, [1, 2])[:, tf.newaxis], 0.0, 1.0),
        SCORES: best,
        CLASSES: tf.cast(tf.argmax(scores, axis=-1) + 1, tf.float32),
        COUNT: tf.reduce_sum(tf.ones_like(best), axis=-1),
        ALL_SCORES: scores,
    }
