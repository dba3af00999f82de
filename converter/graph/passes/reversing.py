"""A whole axis backwards, as from RGB to BGR: an ONNX Slice does it number by number, a Gather piece by piece."""

from typing import Any

import numpy as np
from onnx import helper

from converter.graph.passes.nodes import Nodes


def gather_reversals(nodes: Nodes) -> None:
    """Each Slice that does nothing but reverse an axis of known size, as a Gather."""
    for node in nodes.of("Slice"):
        _rewrite(nodes, node)


def _rewrite(nodes: Nodes, node: Any) -> None:
    taken = nodes.slices(node) or {}
    if len(taken) != 1:
        return
    ((axis, each),) = taken.items()
    size = _size(nodes, node, axis, each)
    if not size or range(size)[each] != range(size)[::-1]:
        return
    result = node.output[0]
    indices = nodes.keep(np.arange(size, dtype=np.int64)[::-1].copy(), f"{result}/backwards")
    nodes.sizes.setdefault(node.input[0], nodes.sizes.get(result, ()))
    nodes.replace(node, [helper.make_node("Gather", [node.input[0], indices], [result], result, axis=axis)])


def _size(nodes: Nodes, node: Any, axis: int, part: slice) -> int | None:
    """How long an axis is before `part` of it is taken, as far as that is known."""
    size = nodes.size(node.input[0], axis)
    if size is None and part == slice(None, None, -1):  # whatever the size is, it stays
        return nodes.size(node.output[0], axis)
    return size
