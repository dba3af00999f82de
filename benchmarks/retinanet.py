"""Builds a RetinaNet-R50-FPN with stand-in weights: as large and as slow as a trained one, and served alike.

    python -m benchmarks.retinanet FOLDER [--size 640]

A SavedModel that takes JPEG files and gives the object detection API's four tensors, prepared and decoded as the
RetinaNet of tensorflow/tpu does (models/official/detection): the longer side scaled to SIZE, the rest padded, nine
anchors a place on P3 to P7, 90 classes, NMS by class.

The weights are random, the same in each run, and each layer is scaled by what it gives for the packaged photos: its
outputs stay near 1, and FP16 holds them. The last layer of the classes is solved for, so that each of its channels
answers to one place in one of these photos: some dozens of detections each, which rounding errors hardly move.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.model import sampling
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES

Tensor = Any  # TensorFlow carries no types.
Floats = NDArray[np.float32]

KINDS = 90  # classes, with the ids 1 to 90
STAGES = ("conv3_block4_out", "conv4_block6_out", "conv5_block3_out")  # C3 to C5
STRIDES = (8, 16, 32, 64, 128)  # P3 to P7
WIDTH, DEPTH = 256, 4  # of the pyramid and of both heads
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's pixels
SIDES = [4 * 2 ** (third / 3) for third in range(3)]  # of the square anchors, in strides
ANCHORS = [(side * shape, side / shape) for side in SIDES for shape in (1.0, 0.5**0.5, 2**0.5)]  # height, width
MOST_GROWTH = 4.135  # of a box, as a logarithm
CANDIDATES, MOST = 1000, 100  # before NMS and after it
MOST_OVERLAP, LEAST_SCORE = 0.5, 0.05
# What the stand-in weights are made to give; a score of 0.25 is the logit -1.1.
BRANCH = 0.25  # of a residual block beside its shortcut: with 1, sixteen blocks make chaos of rounding errors
SHIFT = 0.1  # standard deviation of boxes from their anchors, in anchors
NOTHING, FOUND, NOISE = -5.0, (-4.5, 2.0), 0.3  # logits elsewhere, where a channel answers, and their deviation
RIDGE = 0.1  # of the features' mean square: less would let channels live on rounding errors
CONTRAST = np.full((3, 3), -1 / 9, np.float32)  # the last layer's kernel: neighbours of a detection are none
CONTRAST[1, 1] += 1


def main(argv: Sequence[str] | None = None) -> None:
    """Build it and save it in the folder that the command line names."""
    args = _parse(argv)
    tf.config.set_visible_devices([], "GPU")  # the same weights whatever the card, and no memory taken from a server
    tf.keras.utils.set_random_seed(0)
    net = network(args.size)
    pictures, filled = prepare(tf.constant(sampling.packaged()), args.size)
    scale(net, pictures)
    plant(net, pictures, filled)
    save(net, args.folder)
    sys.stdout.write(f"{args.folder}: {net.count_params()} parameters\n")


def network(size: int, depth: int = DEPTH) -> Any:
    """Pictures (N, size, size, 3) -> shifts (N, anchors, 4) and logits (N, anchors, KINDS)."""
    base = tf.keras.applications.ResNet50(weights=None, include_top=False, input_shape=(size, size, 3))
    levels = pyramid(*(base.get_layer(name).output for name in STAGES))
    return tf.keras.Model(base.input, [head(levels, "shifts", 4, depth), head(levels, "logits", KINDS, depth)])


def pyramid(c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
    """P3 to P7 from the last three stages of the backbone."""
    layers = tf.keras.layers
    p3, p4, p5 = (layers.Conv2D(WIDTH, 1)(stage) for stage in (c3, c4, c5))
    p4 = layers.Add()([p4, layers.UpSampling2D()(p5)])
    p3 = layers.Add()([p3, layers.UpSampling2D()(p4)])
    levels = [layers.Conv2D(WIDTH, 3, padding="same")(level) for level in (p3, p4, p5)]
    levels.append(layers.Conv2D(WIDTH, 3, 2, padding="same")(c5))
    levels.append(layers.Conv2D(WIDTH, 3, 2, padding="same")(layers.ReLU()(levels[-1])))
    return [layers.BatchNormalization()(level) for level in levels]


def head(levels: Sequence[Tensor], name: str, numbers: int, depth: int) -> Tensor:
    """`numbers` for each anchor: the levels share the convolutions, each has its own batch normalisation."""
    layers = tf.keras.layers
    for _ in range(depth):
        shared = layers.Conv2D(WIDTH, 3, padding="same", use_bias=False)
        levels = [layers.ReLU()(layers.BatchNormalization()(shared(level))) for level in levels]
    last = layers.Conv2D(len(ANCHORS) * numbers, 3, padding="same", name=name)
    return layers.Concatenate(1)([layers.Reshape((-1, numbers))(last(level)) for level in levels])


def scale(net: Any, pictures: Tensor) -> None:
    """Give each batch normalisation, and the shifts, a fixed mean and deviation over these pictures."""
    rng = np.random.default_rng(0)
    for layer in net.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            gain = BRANCH if layer.name.endswith("_3_bn") else 1.0
            layer.gamma.assign(gain * rng.uniform(0.8, 1.2, layer.gamma.shape))
            layer.beta.assign(rng.normal(0.0, 0.1, layer.beta.shape))
            layer.momentum = 0.0  # one call in training mode leaves this batch's statistics
    net(pictures, training=True)
    shifts, _ = net(pictures, training=False)
    channels = shifts.numpy().reshape(-1, len(ANCHORS) * 4)
    factor = SHIFT / channels.std(axis=0)
    last = net.get_layer("shifts")
    last.set_weights([last.get_weights()[0] * factor, -channels.mean(axis=0) * factor])


def plant(net: Any, pictures: Tensor, filled: Tensor) -> None:
    """Let each class channel answer to one place in one of these pictures, and a little to anything."""
    last = net.get_layer("logits")
    inputs = [last.get_input_at(level) for level in range(len(STRIDES))]
    levels = tf.keras.Model(net.input, inputs)(pictures, training=False)
    features = np.concatenate([_contrasts(level) for level in levels], axis=1)
    where = places(net.input_shape[1])
    chances = (room(filled, where).numpy() > 0) * where[:, 2]  # P3 twice as often as P4, and so on
    kernel = CONTRAST[:, :, np.newaxis, np.newaxis] * answers(features, chances, last.filters)
    last.set_weights([kernel, np.full(last.filters, NOTHING)])


def _contrasts(level: Tensor) -> Floats:
    """Each place's features less the mean of its neighbourhood, with zeros beyond the border: (N, places, WIDTH)."""
    kernel = np.repeat(CONTRAST[:, :, np.newaxis, np.newaxis], WIDTH, axis=2)
    found: Floats = tf.nn.depthwise_conv2d(level, kernel, [1, 1, 1, 1], "SAME").numpy()
    return found.reshape(len(found), -1, WIDTH)


def answers(features: Floats, chances: Floats, channels: int) -> Floats:
    """Weights (WIDTH, channels), each channel's by least squares from one of the (N, places, WIDTH) features."""
    rng = np.random.default_rng(0)
    rows = features[chances > 0]
    moment = rows.T @ rows / len(rows)
    values, vectors = np.linalg.eigh(moment + RIDGE * np.mean(np.diag(moment)) * np.eye(WIDTH))
    whitening = vectors / np.sqrt(values) @ vectors.T  # not in the vectors' own axes: their signs are the machine's
    white = features @ whitening
    rarity = np.sum(white**2, axis=-1)
    chances = chances * rarity**2  # what looks like much else would be found all over the picture
    planted = []
    for picture in rng.permutation(channels) % len(features):
        # The same as rng.choice, but where rounding errors move the chances a little the choice stays.
        place = np.argmax(chances[picture] / rng.standard_exponential(chances.shape[1]))
        planted.append(white[picture, place] / rarity[picture, place])
    gains = rng.triangular(FOUND[0], FOUND[0], FOUND[1], channels) - NOTHING
    noise = rng.normal(0.0, NOISE / np.sqrt(rarity.mean()), (WIDTH, channels))
    weights: Floats = whitening @ (np.stack(planted, axis=1) * gains + noise)
    return weights


def save(net: Any, folder: Path) -> None:
    """Write the SavedModel: the variables and the serving signature, nothing of Keras."""
    module = serving(net, detect)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def serving(net: Any, answer: Callable[[Any, Tensor], Mapping[str, Tensor]]) -> tf.Module:
    """What is saved; its function `serve` takes JPEG files."""
    module = tf.Module()
    module.parameters = net.variables
    module.serve = tf.function(
        lambda image_bytes: answer(net, image_bytes),
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
        autograph=False,
    )
    return module


def detect(net: Any, jpegs: Tensor) -> Mapping[str, Tensor]:
    """JPEG files to detections."""
    size = net.input_shape[1]
    pictures, filled = prepare(jpegs, size)
    shifts, logits = net(pictures, training=False)
    where = tf.constant(anchors(size))
    # A trained network finds nothing in the padding. TF-TRT would make truth values an input of its engine.
    most = tf.clip_by_value(10 * room(filled, where), NOTHING, -NOTHING)
    logits = tf.minimum(logits, most[:, :, tf.newaxis])
    candidates = tf.math.top_k(tf.reduce_max(logits, axis=-1), CANDIDATES).indices
    boxes = shifted(tf.gather(where, candidates), tf.gather(shifts, candidates, batch_dims=1))
    boxes = tf.clip_by_value(boxes / tf.tile(filled, [1, 2])[:, tf.newaxis], 0.0, 1.0)
    boxes, scores, classes, count = tf.image.combined_non_max_suppression(
        boxes[:, :, tf.newaxis],
        tf.sigmoid(tf.gather(logits, candidates, batch_dims=1)),
        max_output_size_per_class=MOST,
        max_total_size=MOST,
        iou_threshold=MOST_OVERLAP,
        score_threshold=LEAST_SCORE,
    )
    ids = (classes + 1.0) * tf.sequence_mask(count, MOST, tf.float32)
    return {BOXES: boxes, SCORES: scores, CLASSES: ids, COUNT: tf.cast(count, tf.float32)}


def prepare(jpegs: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, size, size, 3) for the network, and the height and width (N, 2) that each photo fills of them."""

    def fit(jpeg: Tensor) -> tuple[Tensor, Tensor]:
        image = tf.io.decode_jpeg(jpeg, channels=3)
        whole = tf.cast(tf.shape(image)[:2], tf.float32)
        filled = tf.cast(tf.maximum(tf.round(whole * (size / tf.reduce_max(whole))), 1.0), tf.int32)
        image = (tf.image.resize(image, filled) - MEAN) / DEVIATION
        image = tf.pad(image, [[0, size - filled[0]], [0, size - filled[1]], [0, 0]])
        return tf.ensure_shape(image, [size, size, 3]), tf.cast(filled, tf.float32)

    types = (tf.TensorSpec([size, size, 3], tf.float32), tf.TensorSpec([2], tf.float32))
    with tf.device("/CPU:0"):
        pictures, filled = tf.map_fn(fit, jpegs, fn_output_signature=types)
    return pictures, filled


def places(size: int) -> Floats:
    """Centre y, centre x and stride of each place of each level, in pixels: (places, 3)."""
    levels: list[Floats] = []
    for stride in STRIDES:
        centres = (np.arange(size // stride) + 0.5) * stride
        y, x = np.meshgrid(centres, centres, indexing="ij")
        levels.append(np.stack([y, x, np.full_like(y, stride)], axis=-1).reshape(-1, 3))
    return np.concatenate(levels).astype(np.float32)


def anchors(size: int) -> Floats:
    """Centre y, centre x, height and width of each anchor, in pixels: (anchors, 4)."""
    where = np.repeat(places(size), len(ANCHORS), axis=0)
    sides = np.tile(np.array(ANCHORS, np.float32), (len(where) // len(ANCHORS), 1))
    return np.concatenate([where[:, :2], sides * where[:, 2:]], axis=1)


def room(filled: Tensor, where: Tensor) -> Tensor:
    """How far each of these centres lies within the photo, in pixels; negative in the padding: (N, len(where))."""
    return tf.reduce_min(filled[:, tf.newaxis] - where[:, :2], axis=-1)


def shifted(these: Tensor, shifts: Tensor) -> Tensor:
    """Anchors moved and stretched as the network says, as ymin, xmin, ymax, xmax."""
    centres = these[..., :2] + shifts[..., :2] * these[..., 2:]
    halves = tf.exp(tf.minimum(shifts[..., 2:], MOST_GROWTH)) * these[..., 2:] / 2
    return tf.concat([centres - halves, centres + halves], axis=-1)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the SavedModel goes")
    parser.add_argument("--size", type=_size, default=640, help="side of the network's pictures, a multiple of 128")
    return parser.parse_args(argv)


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) % STRIDES[-1] or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no multiple of {STRIDES[-1]}")
    return int(text)


if __name__ == "__main__":
    main()
