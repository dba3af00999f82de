"""How far single operations lie from TensorFlow's once they are ONNX, and which are left to TensorFlow.

Run in a process of its own; one JSON object on standard output: by name the largest difference, or the operations that
can't be converted. The last are what is found of an operation that is converted to another one, and a frozen copy.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tensorflow as tf

from converter.contract import Options
from converter.graph import to_onnx
from converter.graph.carve import Carved, Source, carve
from converter.graph.freeze import make as freeze_model
from converter.graph.freezing import freeze
from converter.graph.stretches import Stretches
from converter.model import sampling
from converter.model.signature import SERVING
from converter.progress import silent
from tests.support.models import cuts

WHOLE = np.arange(-40, 40).reshape(4, 20)
NUMBERS = np.linspace(-3, 5, 2 * 9 * 8 * 4, dtype=np.float32).reshape(2, 9, 8, 4)
KERNEL = tf.Variable(np.linspace(-1, 1, 3 * 3 * 4 * 512).reshape(3, 3, 4, 512), dtype=tf.float32)  # kept out as a mark
quantised = tf.quantization.fake_quant_with_min_max_vars
dequantised = tf.quantization.quantize_and_dequantize_v2


def patches(numbers: Any, sizes: list[int], strides: list[int], rates: list[int], padding: str) -> Any:
    return tf.image.extract_patches(numbers, [1, *sizes, 1], [1, *strides, 1], [1, *rates, 1], padding)


def convolved(numbers: Any, kind: Any) -> Any:
    return tf.cast(tf.nn.conv2d(tf.cast(numbers, kind), tf.cast(KERNEL, kind), 1, "SAME"), tf.float32)


def by_row(numbers: Any) -> Any:
    return tf.map_fn(lambda row: row // 7 + row % -7, numbers)


# By name: what is converted, and what it is given.
CASES: Mapping[str, tuple[Callable[[Any], Any], Any]] = {
    **{f"floor_div_{kind}": (lambda x: x // 7, WHOLE.astype(kind)) for kind in ("int32", "int64", "int16", "int8")},
    "floor_div_by_negative": (lambda x: x // -7, WHOLE),
    "ceil_div": (lambda x: -(-x // 32), WHOLE),
    "floor_mod": (lambda x: x % 7, WHOLE),
    "floor_mod_by_negative": (lambda x: x % -7, WHOLE.astype("int32")),
    "truncate_mod": (lambda x: tf.raw_ops.TruncateMod(x=x, y=7), WHOLE.astype("int32")),
    "truncate_div": (lambda x: tf.raw_ops.TruncateDiv(x=x, y=tf.constant(7, tf.int16)), WHOLE.astype("int16")),
    "in_a_loop": (by_row, WHOLE.astype("int32")),
    "reorg": (lambda x: patches(x, [2, 2], [2, 2], [1, 1], "VALID"), NUMBERS),
    "overlapping": (lambda x: patches(x, [3, 2], [2, 1], [1, 1], "SAME"), NUMBERS),
    "apart": (lambda x: patches(x, [3, 3], [1, 1], [2, 2], "SAME"), NUMBERS),
    "of_bytes": (lambda x: patches(x, [2, 2], [2, 2], [1, 1], "VALID"), NUMBERS.astype("uint8")),
    "narrow": (lambda x: quantised(x, -1.0, 6.0, narrow_range=True), NUMBERS),
    "four_bits": (lambda x: quantised(x, 0.0, 4.0, num_bits=4), NUMBERS),
    "by_arguments": (lambda x: tf.quantization.fake_quant_with_min_max_args(x, -2, 3), NUMBERS),
    "by_channel": (
        lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(x, [-1.0, -2, 0, -3], [1.0, 2, 3, 4]),
        NUMBERS,
    ),
    "there_and_back": (lambda x: dequantised(x, -1.0, 6.0, range_given=True), NUMBERS),
    "there_and_back_narrow": (
        lambda x: dequantised(x, -6.0, 1.0, range_given=True, narrow_range=True, num_bits=4, round_mode="HALF_UP"),
        NUMBERS,
    ),
    "there_and_back_unsigned": (lambda x: dequantised(x, 0.0, 4.0, range_given=True, signed_input=False), NUMBERS),
    "in_its_own_range": (lambda x: dequantised(x, 0.0, 0.0), NUMBERS),
    "in_its_own_range_unsigned": (lambda x: dequantised(tf.nn.relu(x), 0.0, 0.0, signed_input=False), NUMBERS),
    "in_no_range": (lambda x: dequantised(x * 0.0, 0.0, 0.0), NUMBERS),
    "in_float64": (lambda x: convolved(x, tf.float64), NUMBERS),
    "in_bfloat16": (lambda x: convolved(x, tf.bfloat16), NUMBERS),
    "resized_by_area": (lambda x: tf.image.resize(x, [5, 5], "area"), NUMBERS),
    "too_large_a_kernel": (lambda x: patches(tf.tile(x, [1, 1, 1, 600]), [1, 1], [1, 1], [1, 1], "VALID"), NUMBERS),
}


def carved(function: Callable[[Any], Any], values: Any) -> tuple[Any, Carved]:
    """The function, and all of it as a part that reads `in` and writes `out`; the number of rows is not known."""
    spec = tf.TensorSpec([None, *values.shape[1:]], values.dtype)
    named = tf.function(lambda x: {"out": function(x)}, input_signature=[spec], autograph=False)
    concrete = named.get_concrete_function()
    frozen = freeze(concrete, lower_control_flow=False, read=["out"])
    graph = frozen.function.graph
    functions = {each.signature.name: each for each in graph.as_graph_def().library.function}
    source = Source(graph, functions, frozen.weights)
    return concrete, carve(source, {frozen.function.inputs[0].name: "in"}, {"out": frozen.outputs["out"].name})


def apart(function: Callable[[Any], Any], values: Any) -> Any:
    concrete, part = carved(function, values)
    try:
        model = to_onnx.convert(part, "part")
    except to_onnx.Unconvertible as error:
        return error.names
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(["out"], {"in": values})
    expected = concrete(tf.constant(values))["out"].numpy()
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    return float(np.abs(found.astype(float) - expected.astype(float)).max())


def mistaken(part: Carved, name: str) -> Any:
    """Converts a part as if TensorFlow's Sub were an addition."""
    for node in part.definition.node:
        node.op = "AddV2" if node.op == "Sub" else node.op
    return to_onnx.convert(part, name)


def parted() -> list[str]:
    """What is found of the only operation that is converted wrongly, in the middle of others."""

    def several(numbers: Any) -> Any:
        for _ in range(30):
            numbers = tf.tanh(numbers * 1.5 + 0.1)
        random = tf.random.uniform([4]) * 0.001
        later = tf.sin(tf.subtract(numbers, 0.25, name="here")) + random
        return tf.nn.relu(later * 3.0)

    _, part = carved(several, NUMBERS)
    stretches = Stretches(part, [{"in": NUMBERS}], convert=mistaken)
    found = [f"{operation.type} {operation.name}: {apart}" for operation, apart in stretches.parted()]
    stretches.close()
    return found


def frozen(root: Path) -> float:
    """How far the frozen copy of a detector with SiLU lies from it."""
    cuts.save(cuts.swollen, root / "1")
    freeze_model(root / "1", root / "copy", Options(target="frozen"), silent())
    photos = tf.constant(sampling.packaged()[:2])
    found, expected = (tf.saved_model.load(str(root / each)).signatures[SERVING](photos) for each in ("copy", "1"))
    return max(float(np.abs(found[name] - expected[name]).max()) for name in expected)


if __name__ == "__main__":
    said = {name: apart(*case) for name, case in CASES.items()}
    sys.stdout.write(json.dumps({**said, "parted": parted(), "frozen": frozen(Path(sys.argv[1]))}))
