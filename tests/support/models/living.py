"""Small detectors that count, look up, choose, repeat, check or have odd names; SavedModels in folders of these names.

    python -m tests.support.models.living ROOT

What each is for is in its name; all that it does matters to its boxes, other than in those called `…_aside`.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from converter.model.detections import BOXES, CLASSES, COUNT, SCORES
from tests.support.models.cuts import fitted

Tensor = Any  # TensorFlow carries no types.
Outputs = Mapping[str, Tensor]

SIDE = 64
_DRAWN = np.random.default_rng(7)


class Parts(tf.Module):  # type: ignore[misc]  # no types
    """The variables and tables that the models share."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(_DRAWN.normal(0.0, 0.3, (3, 3, 3, 8)).astype(np.float32), name="kernel")
        self.second = tf.Variable(_DRAWN.normal(0.0, 0.3, (3, 3, 8, 8)).astype(np.float32), name="second")
        self.rows = tf.Variable(_DRAWN.normal(0.0, 0.05, (7, 4)).astype(np.float32), name="rows")
        self.mean = tf.Variable(tf.zeros([8]), name="mean")
        self.calls = tf.Variable(0, dtype=tf.int64, name="calls")
        self.ids = _table([1, 2, 3, 10**12], [7.0, 8.0, 9.0, 1.0], -1.0)
        self.by_name = _table(["1", "2", "3"], [7.0, 8.0, 9.0], -1.0)
        self.names = _table([1, 2, 3], ["cat", "dog", "bird"], "?")

    def features(self, pictures: Tensor) -> Tensor:
        """(N, 16, 16, 8)."""
        return tf.nn.relu(tf.nn.conv2d(pictures, self.kernel, 4, "SAME"))

    def again(self, features: Tensor) -> Tensor:
        """As large as they were."""
        return tf.nn.relu(tf.nn.conv2d(features, self.second, 1, "SAME"))


def _table(keys: list[Any], values: list[Any], other: Any) -> Any:
    typed = tf.constant(keys, tf.int64 if isinstance(keys[0], int) else tf.string)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(typed, tf.constant(values)), other)


def decoded(jpegs: Tensor) -> Tensor:
    """(N, SIDE, SIDE, 3)."""
    return tf.map_fn(fitted, jpegs, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 3], tf.float32))


def found(features: Tensor) -> dict[str, Tensor]:
    """Three boxes from features."""
    numbers = tf.sigmoid(tf.reduce_mean(features, [1, 2]))
    corner, opposite = numbers[:, :2] * 0.3, 0.5 + numbers[:, 2:4] * 0.4
    box = tf.concat([corner, opposite], -1)
    count = tf.shape(numbers)[0]
    return {
        BOXES: tf.stack([box, box * 0.7, box * 0.5], 1),
        SCORES: tf.sort(numbers[:, 4:7], direction="DESCENDING"),
        CLASSES: tf.tile([[1.0, 2.0, 3.0]], [count, 1]),
        COUNT: tf.fill([count], 3.0),
    }


def counted_aside(parts: Parts, jpegs: Tensor) -> Outputs:
    def body(number: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        parts.calls.assign_add(1)
        return number + 1, parts.again(features)

    with tf.control_dependencies([parts.calls.assign_add(1)]):
        tf.debugging.assert_less(parts.calls.read_value(), tf.constant(10**9, tf.int64))
        features = parts.features(decoded(jpegs))
    return found(tf.while_loop(lambda number, _: number < 2, body, (0, features))[1])


def counted_output_aside(parts: Parts, jpegs: Tensor) -> Outputs:
    parts.calls.assign_add(1)
    return {**found(parts.features(decoded(jpegs))), "calls": tf.identity(parts.calls)}


def counted(parts: Parts, jpegs: Tensor) -> Outputs:
    number = tf.cast(parts.calls.assign_add(1, read_value=True) % 2, tf.float32)
    return found(parts.features(decoded(jpegs)) + number)


def averaged_aside(parts: Parts, jpegs: Tensor) -> Outputs:
    features = parts.features(decoded(jpegs))
    mean, variance = tf.nn.moments(features, [0, 1, 2])
    parts.mean.assign(parts.mean * 0.9 + mean * 0.1)
    return found(parts.again((features - mean) / tf.sqrt(variance + 1e-3)))


def standardised(parts: Parts, jpegs: Tensor) -> Outputs:
    parts.kernel.assign((parts.kernel - tf.reduce_mean(parts.kernel)) / (tf.math.reduce_std(parts.kernel) + 1e-5) * 0.3)
    return found(parts.features(decoded(jpegs)))


def looked_up(parts: Parts, jpegs: Tensor) -> Outputs:
    outputs = found(parts.features(decoded(jpegs)))
    ids, row = tf.cast(outputs[CLASSES], tf.int64), tf.TensorSpec([3], tf.float32)
    chosen = tf.cond(
        tf.reduce_mean(outputs[SCORES]) > 0.4, lambda: parts.ids.lookup(ids), lambda: parts.ids.lookup(ids + 1)
    )
    return {**outputs, CLASSES: chosen + tf.map_fn(parts.ids.lookup, ids, fn_output_signature=row)}


def looked_up_by_name(parts: Parts, jpegs: Tensor) -> Outputs:
    outputs = found(parts.features(decoded(jpegs)))
    names = tf.strings.as_string(tf.cast(outputs[CLASSES], tf.int64))
    return {**outputs, CLASSES: parts.by_name.lookup(names)}


def named_aside(parts: Parts, jpegs: Tensor) -> Outputs:
    outputs = found(parts.features(decoded(jpegs)))
    return {**outputs, "names": parts.names.lookup(tf.cast(outputs[CLASSES], tf.int64))}


def gathered(parts: Parts, jpegs: Tensor) -> Outputs:
    outputs = found(parts.features(decoded(jpegs)))
    chosen = tf.cast(outputs[BOXES][:, 0, 0] * 20.0, tf.int32) % 7
    row = tf.TensorSpec([4], tf.float32)
    shifts = tf.map_fn(lambda one: tf.gather(parts.rows, one), chosen, fn_output_signature=row)
    shifts += tf.map_fn(lambda one: parts.rows.gather_nd([one]), chosen, fn_output_signature=row)
    return {**outputs, BOXES: outputs[BOXES] + shifts[:, tf.newaxis]}


def chosen_of_two(parts: Parts, jpegs: Tensor) -> Outputs:
    pictures = decoded(jpegs)
    light = tf.reduce_mean(pictures) > 0.45
    return found(tf.cond(light, lambda: parts.features(pictures), lambda: parts.features(pictures * 2.0 + 0.3)))


def chosen_of_four(parts: Parts, jpegs: Tensor) -> Outputs:
    pictures = decoded(jpegs)

    def fit(picture: Tensor) -> Tensor:
        which = tf.cast(tf.reduce_mean(picture) * 6.0, tf.int32)
        return tf.switch_case(which, [lambda: picture, lambda: picture * 2.0, lambda: picture + 1.0])

    ways = [lambda factor=factor: parts.features(pictures * factor) for factor in (1.0, 2.0, -1.0, 0.5)]
    which = tf.cast(tf.reduce_mean(pictures) * 8.0, tf.int32) - 2
    return found(tf.switch_case(which, ways) + parts.features(tf.map_fn(fit, pictures)))


def repeated(parts: Parts, jpegs: Tensor) -> Outputs:
    pictures = decoded(jpegs)

    def body(number: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return number + 1, rows.write(number, parts.features(pictures)[:, number])

    rows = tf.while_loop(lambda number, _: number < 5, body, [0, tf.TensorArray(tf.float32, 5)])[1].stack()
    return found(tf.transpose(rows, [1, 0, 2, 3]))


def checked(parts: Parts, jpegs: Tensor) -> Outputs:
    pictures = tf.debugging.check_numerics(decoded(jpegs), "bad")
    tf.debugging.Assert(tf.reduce_all(pictures >= 0.0), [pictures])
    features = parts.features(tf.image.pad_to_bounding_box(pictures, 2, 2, SIDE + 4, SIDE + 4))
    features = tf.raw_ops.Print(input=features, data=[tf.reduce_mean(features)], first_n=0)
    with tf.control_dependencies([tf.print(tf.reduce_mean(features), output_stream="file:///dev/null")]):
        return {name: tf.identity(value) for name, value in found(features).items()}


def compiled(parts: Parts, jpegs: Tensor) -> Outputs:
    return found(tf.function(parts.features, jit_compile=True)(decoded(jpegs)))


def oddly_named(parts: Parts, jpegs: Tensor) -> Outputs:
    pictures = decoded(jpegs)  # whose mean is the tensor that the last name is
    names = ("picture_0", "network_0", "head_0", "pixels", "count", "jpegs", "a b:0", "StatefulPartitionedCall/Mean:0")
    others = {name: tf.reduce_mean(pictures, [1, 2]) * (number + 1.0) for number, name in enumerate(names)}
    return {**found(parts.features(pictures)), **others}


MODELS: tuple[Callable[[Parts, Tensor], Outputs], ...] = (
    counted_aside,
    counted_output_aside,
    counted,
    averaged_aside,
    standardised,
    looked_up,
    looked_up_by_name,
    named_aside,
    gathered,
    chosen_of_two,
    chosen_of_four,
    repeated,
    checked,
    compiled,
    oddly_named,
)


def build(root: Path) -> None:
    """Write them all."""
    for function in MODELS:
        parts = Parts()
        spec = tf.TensorSpec([None], tf.string, name="jpegs")
        parts.serve = tf.function(partial(function, parts), input_signature=[spec], autograph=False)
        tf.saved_model.save(parts, str(root / function.__name__), signatures={"serving_default": parts.serve})


if __name__ == "__main__":
    build(Path(sys.argv[1]))
