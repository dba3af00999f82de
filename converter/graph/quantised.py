"""FakeQuant and QuantizeAndDequantize of every width and range as arithmetic.

After tensorflow/core/kernels/fake_quant_ops_functor.h and quantize_and_dequantize_op.h.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.graph.nodedefs import Builder

Numbers = NDArray[np.float32]
_HALF = np.float32(0.5)
_LEAST_RANGE = np.float32(1e-30)  # of a side that has none, so that nothing is divided by zero


def rounded(node: Any, add: Builder) -> bool:
    """Write a FakeQuant whose range is known; one range, or one for each channel."""
    limits = _limits(node, add)
    if limits is None:
        return False
    low, high, step = _nudged(*limits, bits=_int(node, "num_bits", 8), narrow=node.attr["narrow_range"].b)
    zero = np.floor(-low / step + _HALF)
    first, most, inverse, by, moved = (
        add.constant(each, tf.float32) for each in (low, high, 1 / step, step, _HALF - zero)
    )
    kept = add("Maximum", add("Minimum", node.input[0], most, T=tf.float32), first, T=tf.float32)
    steps = add("Mul", add("Sub", kept, first, T=tf.float32), inverse, T=tf.float32)
    add.last("Mul", add("Floor", add("AddV2", steps, moved, T=tf.float32), T=tf.float32), by, T=tf.float32)
    return True


def dequantised(node: Any, add: Builder) -> bool:
    """Write a QuantizeAndDequantize of float32, with a known range or with that of its values, zero in the middle."""
    low, high = map(add.known, node.input[1:3])
    given, one_range = node.attr["range_given"].b, _int(node, "axis", -1) == -1
    if node.attr["T"].type != tf.float32.as_datatype_enum or not one_range or (given and (low is None or high is None)):
        return False
    least, most = _counted(node)
    if given:
        numbers, by, back = _within(node.input[0], _scale(low, high, least, most), (least, most), add)
    else:
        numbers = node.input[0]
        by, back = _scale_of(numbers, add, least, most)
    steps = add("Mul", numbers, by, T=tf.float32)
    half_up = node.attr["round_mode"].s == b"HALF_UP"
    whole = _half_up(steps, add) if half_up else add("Round", steps, T=tf.float32)
    add.last("Mul", whole, back, T=tf.float32)
    return True


def _counted(node: Any) -> tuple[Any, Any]:
    """The least and the largest whole number of so many bits."""
    bits, signed = _int(node, "num_bits", 8), "signed_input" not in node.attr or node.attr["signed_input"].b
    least = np.float32(-(1 << bits - 1) + node.attr["narrow_range"].b) if signed else np.float32(0)
    return least, np.float32((1 << bits - signed) - 1)


def _within(numbers: str, scale: tuple[Any, Any], ends: tuple[Any, Any], add: Builder) -> tuple[str, str, str]:
    """Numbers cut off at both ends, steps in one, and the size of a step."""
    first, last = (add.constant(np.float32(each * scale[1]), tf.float32) for each in ends)
    kept = add("Maximum", add("Minimum", numbers, last, T=tf.float32), first, T=tf.float32)
    by, back = (add.constant(np.float32(each), tf.float32) for each in scale)
    return kept, by, back


def _scale(low: Any, high: Any, least: Any, most: Any) -> tuple[Any, Any]:
    """Steps in one, and the size of a step, so that both ends are within what so many bits can count."""
    below, above = np.minimum(low, -_LEAST_RANGE), np.maximum(high, _LEAST_RANGE)
    if not least:
        return most / above, above / most
    return np.minimum(least / below, most / above), np.maximum(below / least, above / most)


def _scale_of(numbers: str, add: Builder, least: Any, most: Any) -> tuple[str, str]:
    """The same of the values themselves."""
    row, first = add.constant([-1], tf.int32), add.constant([0], tf.int32)
    flat = add("Reshape", numbers, row, T=tf.float32, Tshape=tf.int32)

    def side(reduce: str, keep: str, end: Any, empty: Any) -> tuple[str, str]:
        found = add(reduce, flat, first, T=tf.float32, Tidx=tf.int32)
        wide, whole = add(keep, found, add.constant(empty), T=tf.float32), add.constant(end)
        return add("RealDiv", whole, wide, T=tf.float32), add("RealDiv", wide, whole, T=tf.float32)

    above = side("Max", "Maximum", most, _LEAST_RANGE)
    if not least:
        return above
    below = side("Min", "Minimum", least, -_LEAST_RANGE)
    return add("Minimum", below[0], above[0], T=tf.float32), add("Maximum", below[1], above[1], T=tf.float32)


def _half_up(numbers: str, add: Builder) -> str:
    return add("Floor", add("AddV2", numbers, add.constant(_HALF), T=tf.float32), T=tf.float32)


def _limits(node: Any, add: Builder) -> tuple[Numbers, Numbers] | None:
    if node.op == "FakeQuantWithMinMaxArgs":
        return _float(node, "min", -6.0), _float(node, "max", 6.0)
    low, high = map(add.known, node.input[1:3])
    return None if low is None or high is None else (low, high)


def _nudged(low: Numbers, high: Numbers, *, bits: int, narrow: bool) -> tuple[Numbers, Numbers, Numbers]:
    """The range moved so that zero is a step of it, and the size of a step."""
    first, last = np.float32(1 if narrow else 0), np.float32((1 << bits) - 1)
    step = ((high - low) / (last - first)).astype(np.float32)
    zero = np.clip(np.floor(first - low / step + _HALF), first, last).astype(np.float32)
    return ((first - zero) * step).astype(np.float32), ((last - zero) * step).astype(np.float32), step


def _int(node: Any, name: str, default: int) -> int:
    return int(node.attr[name].i) if name in node.attr else default


def _float(node: Any, name: str, default: float) -> Numbers:
    return np.array(node.attr[name].f if name in node.attr else default, np.float32)
