"""YOLO's "Focus": every second row and column, four times, beside each other as channels. ONNX has SpaceToDepth for it.

A picture's four strided slices, their concatenation and its transposition cost two to three times as much.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.graph.passes.nodes import Nodes, attribute, same

_TO_NCHW = [0, 3, 1, 2]
_ROWS_AND_COLUMNS = {1: (2, 3), 3: (1, 2)}  # axes, by that of the channels
_PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]  # row and column where one begins, in SpaceToDepth's order


def focus(nodes: Nodes) -> None:
    """Each of them as a SpaceToDepth, and a Gather that puts its channels into the order that they had."""
    for concat in nodes.of("Concat"):
        if len(concat.input) == 4:
            _rewrite(nodes, concat)


def _rewrite(nodes: Nodes, concat: Any) -> None:
    axis = attribute(concat, "axis") % 4
    last = _channels_first(nodes, concat, axis)
    source = _source(nodes, concat.input[0])
    if last is None or len(nodes.sizes.get(source, ())) != 4 or nodes.types.get(source) != TensorProto.FLOAT:
        return
    order = _order(nodes, concat, source, axis)
    if order:
        nodes.replace(last, _made(nodes, source, last.output[0], order, turn=axis == 3))


def _channels_first(nodes: Nodes, concat: Any, axis: int) -> Any:
    """What makes (N, C, H, W) of the slices: the concatenation, or the transposition behind it; or None."""
    if axis == 1:
        return concat
    last = nodes.reader(concat.output[0]) if axis == 3 else None
    if last is None or last.op_type != "Transpose" or attribute(last, "perm") != _TO_NCHW:
        return None
    return last


def _order(nodes: Nodes, concat: Any, source: str, axis: int) -> list[int] | None:
    """Where SpaceToDepth has each of the channels; None if they are not the four strided slices of a picture."""
    channels, (rows, columns) = nodes.size(source, axis), _ROWS_AND_COLUMNS[axis]
    phases = [_phase(nodes, each, source, rows, columns) for each in concat.input]
    if not channels or set(phases) != set(_PHASES):
        return None
    return [_PHASES.index(each) * channels + channel for each in phases if each for channel in range(channels)]


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
    while (node := nodes.producers.get(name)) is not None and node.op_type == "Slice":
        name = node.input[0]
    return name


def _phase(nodes: Nodes, name: str, source: str, rows: int, columns: int) -> tuple[int, int] | None:
    """Where slices take every second row and column from, of an even number, if that is all they do."""
    sides = {axis: nodes.size(source, axis) or 0 for axis in (rows, columns)}
    chain = _chain(nodes, name, source)
    if chain is None or any(side == 0 or side % 2 for side in sides.values()):
        return None
    left = _taken(chain, {axis: range(side) for axis, side in sides.items()})
    return next((each for each in _PHASES if left == _every_second(sides, each)), None)


def _every_second(sides: dict[int, int], begins: tuple[int, int]) -> dict[int, range]:
    """Rows and columns, by their axes, from where each begins."""
    return {axis: range(begin, side, 2) for (axis, side), begin in zip(sides.items(), begins, strict=True)}


def _chain(nodes: Nodes, name: str, source: str) -> list[dict[int, slice]] | None:
    """What the slices between a source and a tensor take, the last one first; None if something else is between."""
    chain = []
    while name != source:
        node = nodes.producers.get(name)
        if node is None or node.op_type != "Slice" or (taken := nodes.slices(node)) is None:
            return None
        chain.append(taken)
        name = node.input[0]
    return chain


def _taken(chain: list[dict[int, slice]], left: dict[int, range]) -> dict[int, range] | None:
    """What such slices leave of the axes; None if they take of others too."""
    for taken in reversed(chain):
        if set(taken) - set(left):
            return None
        left = left | {axis: left[axis][each] for axis, each in taken.items()}
    return left
