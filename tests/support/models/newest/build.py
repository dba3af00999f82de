"""The SavedModels beside this file, written by a newer TensorFlow and Keras than the server runs on.

    python -m venv newest && newest/bin/pip install tensorflow-cpu==2.21.0 keras==3.15.1
    newest/bin/python tests/support/models/newest/build.py

keras: a Keras model with SiLU as its export() writes it, pictures in; jpegs: the same behind a decoder, suppression at
its end; webp: reads WebP files too, by an operation that came after TensorFlow 2.14.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras  # type: ignore[import-untyped]  # no types
import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
SIDE, CELLS, KINDS = 64, 8, 3

Tensor = Any  # TensorFlow carries no types.


def network() -> Any:
    """From pictures (N, SIDE, SIDE, 3) of 0 to 255 to boxes (N, CELLS², 4), ymin first, in shares, and scores."""
    drawn = np.random.default_rng(7)
    pictures = keras.Input((SIDE, SIDE, 3), name="pictures")
    features = keras.layers.Rescaling(1 / 255, offset=-0.5)(pictures)
    features = keras.layers.Conv2D(8, 5, 4, "same", use_bias=False)(features)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.Activation("silu")(features)
    found = keras.layers.Conv2D(KINDS + 4, 3, 2, "same")(features)
    found = keras.layers.Reshape((CELLS * CELLS, KINDS + 4))(found)
    grid = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS), indexing="ij"), -1).reshape(1, -1, 2) / CELLS
    corners = keras.ops.tanh(found[..., :2]) * 0.02 + grid.astype(np.float32)
    sizes = keras.ops.exp(keras.ops.tanh(found[..., 2:4]) * 0.1) * 0.12
    boxes = keras.ops.concatenate([corners, corners + sizes], -1)
    model = keras.Model(pictures, [boxes, keras.ops.sigmoid(found[..., 4:] * 3.0)])
    for weights in model.trainable_weights:
        if len(weights.shape) == 4:
            weights.assign(drawn.normal(0.0, 0.4 if weights.shape[2] == 3 else 0.12, weights.shape))
    return model


def best_of_each_cell() -> Any:
    """The network with the object detection API's outputs, as a Keras model."""
    model = network()
    boxes, scores = model.output
    best = keras.ops.max(scores, -1)
    order = keras.ops.argsort(-best, -1)
    classes = keras.ops.cast(keras.ops.argmax(scores, -1), "float32") + 1.0
    outputs = {
        "detection_boxes": keras.ops.take_along_axis(boxes, order[..., None], 1),
        "detection_scores": keras.ops.take_along_axis(best, order, 1),
        "detection_classes": keras.ops.take_along_axis(classes, order, 1),
        "num_detections": keras.ops.sum(keras.ops.ones_like(best), -1),
    }
    return keras.Model(model.input, outputs)


def decoded(jpegs: Tensor, *, webp: bool) -> Tensor:
    """JPEG files (N,), or WebP files among them, as pictures of the network's size."""

    def read(file: Tensor) -> Tensor:
        if not webp:
            return tf.io.decode_jpeg(file, channels=3)
        is_webp = tf.strings.substr(file, 8, 4) == "WEBP"
        return tf.cond(
            is_webp, lambda: tf.io.decode_webp(file, channels=3), lambda: tf.io.decode_jpeg(file, channels=3)
        )

    def fitted(file: Tensor) -> Tensor:
        return tf.image.resize(tf.ensure_shape(read(file), [None, None, 3]), [SIDE, SIDE])

    return tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))


def suppressed(boxes: Tensor, scores: Tensor) -> Mapping[str, Tensor]:
    """The object detection API's outputs."""
    found = tf.image.combined_non_max_suppression(boxes[:, :, None], scores, 100, 100, 0.5, 0.05)
    return {
        "detection_boxes": found[0],
        "detection_scores": found[1],
        "detection_classes": found[2] + 1.0,
        "num_detections": tf.cast(found[3], tf.float32),
    }


def save(folder: Path, model: Any, *, webp: bool = False) -> None:
    """Write a Keras model behind a decoder."""
    module = tf.Module()
    module.model = model

    module.serve = tf.function(
        lambda jpegs: suppressed(*model(decoded(jpegs, webp=webp))),
        input_signature=[tf.TensorSpec([None], tf.string, name="jpegs")],
        autograph=False,
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def main() -> None:
    for name in ("keras", "jpegs", "webp"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    best_of_each_cell().export(str(HERE / "keras" / "1"), format="tf_saved_model")
    save(HERE / "jpegs" / "1", network())
    save(HERE / "webp" / "1", network(), webp=True)


if __name__ == "__main__":
    main()
