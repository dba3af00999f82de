"""Builds an SSD-like detector with stand-in weights: small and quick, and it finds something on the packaged photos.

Depthwise separable convolutions, features of five sizes with predictors in common, anchors, NMS by class. All but the
network is the RetinaNet's of the file beside this one: how photos are prepared, where its weights come from, and how
boxes are decoded.
"""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from benchmarks import retinanet
from benchmarks.retinanet import ANCHORS, KINDS, STRIDES, WIDTH, Tensor
from converter.model import sampling

NARROW = (16, 24, 32, 64, 96, 128, 128)  # channels after each halving of the picture


def build(folder: Path, size: int) -> None:
    """Write the SavedModel."""
    tf.keras.utils.set_random_seed(0)
    net = network(size)
    pictures, filled = retinanet.prepare(tf.constant(sampling.packaged()), size)
    retinanet.scale(net, pictures)
    retinanet.plant(net, pictures, filled)
    retinanet.save(net, folder)


def network(size: int) -> tf.keras.Model:
    """Pictures (N, size, size, 3) -> shifts (N, anchors, 4) and logits (N, anchors, KINDS)."""
    layers = tf.keras.layers
    pictures = layers.Input((size, size, 3))
    features, levels = pictures, []
    for number, width in enumerate(NARROW, start=1):
        features = normalised(layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(features))
        features = refined(features, width, number)
        if 2**number in STRIDES:
            levels.append(layers.BatchNormalization()(layers.Conv2D(WIDTH, 1, use_bias=False)(features)))
    ends = [predictor(levels, "shifts", 4), predictor(levels, "logits", KINDS)]
    return tf.keras.Model(pictures, ends)


def refined(features: Tensor, width: int, number: int) -> Tensor:
    """A depthwise convolution and a pointwise one beside a shortcut, whose share the name of its layer tells."""
    layers = tf.keras.layers
    branch = normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(features))
    branch = layers.Conv2D(width, 1, use_bias=False)(branch)
    return layers.Add()([features, layers.BatchNormalization(name=f"block{number}_3_bn")(branch)])


def normalised(features: Tensor) -> Tensor:
    layers = tf.keras.layers
    return layers.ReLU(6.0)(layers.BatchNormalization()(features))


def predictor(levels: Sequence[Tensor], name: str, numbers: int) -> Tensor:
    """`numbers` for each anchor of each level."""
    layers = tf.keras.layers
    last = layers.Conv2D(len(ANCHORS) * numbers, 3, padding="same", name=name)
    return layers.Concatenate(1)([layers.Reshape((-1, numbers))(last(level)) for level in levels])
