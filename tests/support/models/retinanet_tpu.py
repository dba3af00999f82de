"""The RetinaNet of the file beside this one as tensorflow/tpu's exporter gives it.

Rows of [image, ymin, xmin, ymax, xmax, score, class] in pixels of the scaled picture, `image_info` that tells how it
was scaled, and one picture a call although the signature says any number (its models/official/detection).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from benchmarks import retinanet
from benchmarks.retinanet import Tensor
from converter.model import sampling
from converter.model.detections import BOXES, CLASSES, SCORES

SIZE = 128


def build(folder: Path) -> None:
    """Write the SavedModel."""
    tf.keras.utils.set_random_seed(0)
    net = retinanet.network(SIZE)
    pictures, filled = retinanet.prepare(tf.constant(sampling.packaged()), SIZE)
    retinanet.scale(net, pictures)
    retinanet.plant(net, pictures, filled)
    module = tf.Module()
    module.parameters = net.variables
    module.serve = tf.function(
        lambda given: rows(net, tf.reshape(given, [1])),
        input_signature=[tf.TensorSpec([None], tf.string, name="input")],
        autograph=False,
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def rows(net: Any, jpegs: Tensor) -> Mapping[str, Tensor]:
    """The detections of one picture, and how it was scaled: (1, 100, 7) and (1, 4, 2)."""
    found = retinanet.detect(net, jpegs)
    whole = tf.cast(tf.io.extract_jpeg_shape(jpegs[0])[:2], tf.float32)
    scaled = tf.round(whole * (SIZE / tf.reduce_max(whole)))
    info = tf.stack([whole, scaled, scaled / whole, tf.zeros(2)])[tf.newaxis]
    score = found[SCORES][..., tf.newaxis]
    parts = [tf.zeros_like(score), found[BOXES] * tf.tile(scaled, [2]), score, found[CLASSES][..., tf.newaxis]]
    return {"detections": tf.concat(parts, axis=-1), "image_info": info}
