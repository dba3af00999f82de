"""YOLO's "Focus": every second row and column, four times, beside each other as channels. ONNX has SpaceToDepth for it.

A picture's four strided slices, their concatenation and its transposition cost two to three times as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.graph.passes.nodes import Nodes, attribute, same

_TO_NCHW = [0, 3, 1, 2]
_SIDES = {1: (2, 3), 3: (1, 2)}  # axes of rows and columns, by that of channels
_ALL = slice(None)
_PHASES = [(0, 0), (0, 1), (1, 0), (1, 1)]  # row and column where one begins, in SpaceToDepth's order


def replace_focus(nodes: Nodes) -> None:
    """Each of them as a SpaceToDepth, and a Gather that puts its channels into the order that they had."""
    for concat in nodes.of("Concat"):
        if len(concat.input) == 4 and attribute(concat, "axis") % 4 in _SIDES:
            _rewrite(nodes, concat)


def _rewrite(nodes: Nodes, concat: Any) -> None:
    axis = attribute(concat, "axis") % 4
    last = _turned(nodes, concat) if axis == 3 else concat
    source = _source(nodes, concat.input[0])
    if last is None or not _is_even_picture(nodes, source, _SIDES[axis]):
        return
    phases = [_phase(nodes, each, source, _SIDES[axis]) for each in concat.input]
    if order := _order(phases, nodes.size(source, axis)):
        nodes.replace(last, _replacement(nodes, source, last.output[0], order, turn=axis == 3))


def _turned(nodes: Nodes, concat: Any) -> Any:
    """The transposition that alone reads (N, H, W, C) and makes (N, C, H, W) of it; None if there is no such."""
    reader = nodes.reader(concat.output[0])
    if reader is None or reader.op_type != "Transpose" or attribute(reader, "perm") != _TO_NCHW:
        return None
    return reader


def _is_even_picture(nodes: Nodes, name: str, sides: tuple[int, int]) -> bool:
    """Whether a tensor has four axes, of floats, and even numbers of rows and columns."""
    lengths = [nodes.size(name, side) for side in sides]
    four = len(nodes.sizes.get(name, ())) == 4 and nodes.types.get(name) == TensorProto.FLOAT
    return four and all(length and length % 2 == 0 for length in lengths)


def _order(phases: Sequence[tuple[int, int] | None], channels: int | None) -> list[int]:
    """Where in SpaceToDepth's result the concatenated channels are; empty if they aren't the four phases' own."""
    found = [each for each in phases if each]
    if not channels or sorted(found) != _PHASES:
        return []
    return [_PHASES.index(each) * channels + channel for each in found for channel in range(channels)]


def _replacement(nodes: Nodes, source: str, result: str, order: list[int], *, turn: bool) -> list[Any]:
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


def _phase(nodes: Nodes, name: str, source: str, sides: tuple[int, int]) -> tuple[int, int] | None:
    """Where slices take every second row and column from, if that is all they do."""
    left = whole = _whole(nodes, source, sides)
    for each in _slices(nodes, name, source):
        if each is None or set(each) - set(whole):
            return None
        left = {side: places[each.get(side, _ALL)] for side, places in left.items()}
    return next((phase for phase in _PHASES if left == _every_second(whole, phase)), None)


def _whole(nodes: Nodes, name: str, sides: tuple[int, int]) -> dict[int, range]:
    """All rows and columns of a tensor, by axis."""
    return {side: range(nodes.size(name, side) or 0) for side in sides}


def _slices(nodes: Nodes, name: str, source: str) -> Iterator[dict[int, slice] | None]:
    """What each operation between two tensors takes, from the first on; None for one that is no slice, or varies."""
    if name == source:
        return
    node = nodes.producers.get(name)
    if node is None or node.op_type != "Slice":
        yield None
        return
    yield from _slices(nodes, node.input[0], source)
    yield nodes.slices(node)


def _every_second(whole: Mapping[int, range], phase: tuple[int, int]) -> dict[int, range]:
    """Every second row and column, from these on."""
    return {side: places[first::2] for (side, places), first in zip(whole.items(), phase, strict=True)}
