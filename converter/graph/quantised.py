"""FakeQuant of every width and range as arithmetic (see tensorflow/core/kernels/fake_quant_ops_functor.h)."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.graph.nodedefs import Builder

Numbers = NDArray[np.float32]
_HALF = np.float32(0.5)


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
