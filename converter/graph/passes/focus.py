"""YOLO's "Focus": every second row and column, four times, beside each other as channels. ONNX has SpaceToDepth for it.

A picture's four strided slices, their concatenation and its transposition cost two to three times as much.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.graph.passes.nodes import Nodes, attribute, same

_TO_NCHW = [0, 3, 1, 2]
_PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]  # row and column where one begins, in SpaceToDepth's order


def focus(nodes: Nodes) -> None:
    """Each of them as a SpaceToDepth, and a Gather that puts its channels into the order that they had."""
    for concat in nodes.of("Concat"):
        if len(concat.input) == 4:
            _rewrite(nodes, concat)


def _rewrite(nodes: Nodes, concat: Any) -> None:
    axis, last = attribute(concat, "axis") % 4, concat
    if axis == 3:  # (N, H, W, C), which the next operation turns into (N, C, H, W)
        last = nodes.reader(concat.output[0])
        if last is None or last.op_type != "Transpose" or attribute(last, "perm") != _TO_NCHW:
            return
    source = _source(nodes, concat.input[0])
    channels = nodes.size(source, axis)
    rows, columns = (1, 2) if axis == 3 else (2, 3)
    phases = [_phase(nodes, each, source, rows, columns) for each in concat.input]
    flat = len(nodes.sizes.get(source, ())) == 4 and nodes.types.get(source) == TensorProto.FLOAT
    if not channels or axis not in (1, 3) or not flat:
        return
    if sorted(each for each in phases if each) == _PHASES:
        order = [_PHASES.index(each) * channels + channel for each in phases if each for channel in range(channels)]
        nodes.replace(last, _made(nodes, source, last.output[0], order, turn=axis == 3))


def _made(nodes: Nodes, source: str, result: str, order: list[int], *, turn: bool) -> list[Any]:
    turned, deep = f"{result}/nchw" if turn else source, result if same(order) else f"{result}/deep"
    made = [helper.make_node("Transpose", [source], [turned], turned, perm=_TO_NCHW)] if turn else []
    made.append(helper.make_node("SpaceToDepth", [turned], [deep], deep, blocksize=2))
    nodes.sizes[deep] = (None, len(order), None, None)
    if deep != result:
        indices = nodes.keep(np.array(order, np.int64), f"{result}/order")
        made.append(helper.make_node("Gather", [deep, indices], [result], result, axis=1))
    return made


def _source(nodes: Nodes, name: str) -> str:
    """What a chain of slices starts from."""
    while (node := nodes.made.get(name)) is not None and node.op_type == "Slice":
        name = node.input[0]
    return name


def _phase(nodes: Nodes, name: str, source: str, rows: int, columns: int) -> tuple[int, int] | None:
    """Where slices take every second row and column from, of an even number, if that is all they do."""
    height, width = nodes.size(source, rows), nodes.size(source, columns)
    if not height or not width or height % 2 or width % 2:
        return None
    chain = []
    while name != source:
        node = nodes.made.get(name)
        if node is None or node.op_type != "Slice":
            return None
        chain.append(nodes.slices(node))
        name = node.input[0]
    left = {rows: range(height), columns: range(width)}
    for taken in reversed(chain):
        if taken is None or set(taken) - set(left):
            return None
        left |= {axis: left[axis][each] for axis, each in taken.items()}
    return next(
        (
            (row, column)
            for row, column in _PHASES
            if left == {rows: range(row, height, 2), columns: range(column, width, 2)}
        ),
        None,
    )
