"""SavedModels as people have them: the bundled network behind every kind of input and output that a server may meet.

    python -m tests.support.models.zoo ROOT [NAME …]

All find the same: the bundled model is taken apart where its graph decodes, and put together again. What can't be read
from one of them is in DECLARED.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from app.settings import bundled_model
from converter.model.detections import BOXES, CLASSES, SCORES
from tests.support.models.declared import FROM_ZERO, KINDS
from tests.support.models.parts import SIDE, Outputs, Parts, Tensor

LARGE = 768  # the side of the pictures that one kind takes


# Inputs: what each kind takes, and the pictures that the network is given.


def bytes_of(pictures: Tensor, scale: str) -> Tensor:
    """uint8 pictures from float32 ones of a scale."""
    values = {"0..255": pictures, "0..1": pictures * 255.0}[scale]
    return tf.cast(tf.clip_by_value(tf.round(values), 0.0, 255.0), tf.uint8)


def pixels(shape: list[int | None], scale: str | None = None) -> tuple[Any, Callable[[Parts, Tensor], Outputs]]:
    """Pictures of a shape."""

    def run(parts: Parts, pictures: Tensor) -> Outputs:
        if scale == "-1..1":
            return parts.fitted_already((pictures + 1.0) * 127.5)
        given = pictures if scale is None else bytes_of(pictures, scale)
        return parts.found(given, one=shape[0] == 1)

    return tf.TensorSpec(shape, tf.uint8 if scale is None else tf.float32, name="input_tensor"), run


def files(*, batch: int | None = None, channels: int = 3) -> tuple[Any, Callable[[Parts, Tensor], Outputs]]:
    """JPEG files; `batch` is fixed in the graph, not in the signature."""

    def run(parts: Parts, jpegs: Tensor) -> Outputs:
        return parts.decoded(jpegs if batch is None else tf.reshape(jpegs, [batch]), channels=channels)

    return tf.TensorSpec([None], tf.string, name="encoded"), run


def before_nms(shape: list[int | None]) -> tuple[Any, Callable[[Parts, Tensor], Outputs]]:
    """Pictures of a shape, of which the network's head is given."""

    def run(parts: Parts, pictures: Tensor) -> Outputs:
        return {"output_0": parts.head(pictures * 255.0)}

    return tf.TensorSpec(shape, tf.float32, name="images"), run


# Outputs: from what the network gives and its input to what each kind gives.


def as_api(found: Outputs, _: Tensor) -> Outputs:
    """As the object detection API's exporter, with the outputs that nobody asks for."""
    return {
        **found,
        "detection_anchor_indices": tf.zeros_like(found[SCORES]),
        "raw_detection_boxes": found[BOXES][:, :1] * 2.0,
        "raw_detection_scores": found[SCORES][:, :1, tf.newaxis],
    }


def in_pixels(found: Outputs, given: Tensor) -> Outputs:
    """The same with boxes in pixels of the pictures."""
    return {**found, BOXES: found[BOXES] * sides(given)}


def as_keras(found: Outputs, given: Tensor, *, order: str = "xyxy") -> Outputs:
    """Boxes, confidence and classes; rows beyond the last detection are -1."""
    boxes = tf.gather(found[BOXES] * sides(given), [1, 0, 3, 2], axis=-1)
    if order == "xywh":
        boxes = tf.concat([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)
    there = found[SCORES] > 0
    nothing = -tf.ones_like(found[SCORES])
    return {
        "boxes": tf.where(there[..., tf.newaxis], boxes, nothing[..., tf.newaxis]),
        "confidence": tf.where(there, found[SCORES], nothing),
        "classes": tf.where(there, found[CLASSES], nothing),
    }


def as_rows(found: Outputs, given: Tensor) -> Outputs:
    """As models/official/retinanet/anchors.py of tensorflow/tpu: image, x, y, width, height, score, class."""
    keras = as_keras(found, given, order="xywh")
    score = tf.where(found[SCORES] > 0, found[SCORES], -1e5)
    rows = [tf.zeros_like(score)[..., tf.newaxis], keras["boxes"], score[..., tf.newaxis]]
    return {"detections": tf.concat([*rows, found[CLASSES][..., tf.newaxis]], axis=-1)}


def as_scaled_rows(found: Outputs, given: Tensor) -> Outputs:
    """As its models/official/detection: image, ymin, xmin, ymax, xmax, score, class, and how it was scaled."""
    whole = sides(given)[:, 0, :2]
    factor = SIDE / tf.reduce_max(whole, axis=-1, keepdims=True)
    scaled = tf.round(whole * factor)
    info = tf.stack([whole, scaled, scaled / whole, tf.zeros_like(whole)], axis=1)
    boxes = found[BOXES] * tf.tile(scaled, [1, 2])[:, tf.newaxis]
    score = found[SCORES][..., tf.newaxis]
    rows = [tf.zeros_like(score), boxes, score, found[CLASSES][..., tf.newaxis]]
    return {"detections": tf.concat(rows, axis=-1), "image_info": info}


def as_head(found: Outputs, _: Tensor) -> Outputs:
    """As YOLOv5 and YOLOX give it: (N, places, 5 + classes)."""
    return found


def as_upright_head(found: Outputs, _: Tensor) -> Outputs:
    """As YOLOv8 and later give it: (N, 4 + classes, places)."""
    rows = found["output_0"]
    return {"output_0": tf.transpose(tf.concat([rows[..., :4], rows[..., 4:5] * rows[..., 5:]], axis=-1), [0, 2, 1])}


def as_yolo(found: Outputs, _: Tensor) -> Outputs:
    """As YOLO's exporters with NMS inside: x, y, x, y, score, class, in pixels; rows beyond the last one are 0."""
    boxes = tf.gather(found[BOXES], [1, 0, 3, 2], axis=-1) * float(SIDE)
    columns = [boxes, found[SCORES][..., tf.newaxis], found[CLASSES][..., tf.newaxis]]
    return {"output_0": tf.concat(columns, axis=-1)}


def sides(given: Tensor) -> Tensor:
    """Height, width, height and width of each picture: (N, 1, 4)."""
    if given.dtype == tf.string:
        shapes = tf.map_fn(tf.io.extract_jpeg_shape, given, fn_output_signature=tf.TensorSpec([3], tf.int32))
        size = tf.cast(shapes[:, :2], tf.float32)
    else:
        size = tf.tile(tf.cast(tf.shape(given)[1:3], tf.float32)[tf.newaxis], [tf.shape(given)[0], 1])
    return tf.tile(size, [1, 2])[:, tf.newaxis]


MADE: dict[str, tuple[tuple[Any, Callable[[Parts, Tensor], Outputs]], Callable[[Outputs, Tensor], Outputs]]] = {
    "uint8_one": (pixels([1, None, None, 3]), as_api),
    "uint8_many": (pixels([None, None, None, 3]), as_api),
    "uint8_fixed": (pixels([None, LARGE, LARGE, 3]), as_api),
    "float_one": (pixels([1, None, None, 3], "0..1"), in_pixels),
    "float_fixed": (pixels([1, SIDE, SIDE, 3], "-1..1"), as_keras),
    "jpeg_one": (files(batch=1), as_scaled_rows),
    "jpeg_rows": (files(), as_rows),
    "jpeg_keras": (files(), partial(as_keras, order="xywh")),
    "jpeg_pixels": (files(), in_pixels),
    "several": (files(), as_api),
    "yolo_rows": (pixels([1, SIDE, SIDE, 3], "-1..1"), as_yolo),
    "yolo_head": (before_nms([None, SIDE, SIDE, 3]), as_head),
    "yolo_upright": (before_nms([1, SIDE, SIDE, 3]), as_upright_head),
}


def save(parts: Parts, name: str, folder: Path) -> None:
    """Write the kind `name`."""
    (spec, run), give = MADE[name]
    module = tf.Module()
    module.serve = tf.function(
        lambda given: dict(give(run(parts, given), given)), input_signature=[spec], autograph=False
    )
    signatures = {"serving_default": module.serve}
    if name == "several":
        module.other = tf.function(lambda text: {"length": tf.strings.length(text)}, input_signature=[spec])
        signatures = {"serving_default": module.other, "detect": module.serve}
    tf.saved_model.save(module, str(folder), signatures=signatures)


def build(parts: Parts, name: str, folder: Path) -> None:
    """Write any kind, of this file or of those beside it."""
    from tests.support.models import old, retinanet_tpu

    if name in MADE:
        save(parts, name, folder)
    elif name == "old":
        old.save(parts, folder)
    else:
        retinanet_tpu.build(folder)


def main() -> None:
    root, names = Path(sys.argv[1]), sys.argv[2:] or [*KINDS]
    parts = Parts()
    for name in names:
        build(parts, name, root / name / "1")
        (root / name / "1" / "assets.extra").mkdir()
        labels = Path("assets.extra") / "labels.txt"
        text = (bundled_model() / "1" / labels).read_text()
        (root / name / "1" / labels).write_text(counted(text) if name in FROM_ZERO else text)


def counted(labels: str) -> str:
    """The same names with ids from 0 up, as networks count them."""
    return "".join(f"{number} {line.partition(' ')[2]}\n" for number, line in enumerate(labels.splitlines()))


if __name__ == "__main__":
    main()
