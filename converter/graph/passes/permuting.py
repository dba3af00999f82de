"""Channels in another order: nothing to compute where a convolution's kernel can be put into that order instead."""

from typing import Any

import numpy as np
from onnx import helper

from converter.graph.passes.nodes import Nodes, attribute, order


def fold_orders(nodes: Nodes) -> None:
    """Fold each Gather that only changes the order of an axis into the convolution that reads it, if one does."""
    # From the end: an order may have to pass through another one.
    for gather in reversed(nodes.of("Gather")):
        found = order(nodes.constant(gather.input[1]))
        axis = attribute(gather, "axis", 0)
        if found is None or nodes.size(gather.input[0], axis) != len(found):
            continue
        if fold(nodes, gather.output[0], axis, found):
            nodes.drop(gather.output[0])


def fold(nodes: Nodes, name: str, axis: int, places: list[int]) -> bool:
    """Put the kernel of the convolution that reads a tensor into another order.

    So its result is the same when the tensor no longer is what was in these `places` of the `axis`; False if there is
    none, or something else reads it.
    """
    while (node := nodes.reader(name)) is not None:
        passed = _passed(nodes, node, name, axis, places)
        if passed is None:
            return _reads_channels(node, name, axis) and _fold(nodes, node, places)
        axis, places = passed
        name = node.output[0]
    return False


def _passed(nodes: Nodes, node: Any, name: str, axis: int, places: list[int]) -> tuple[int, list[int]] | None:
    """The axis and the places in an operation's result, of what has another order where it reads; None if it mixes."""
    if node.op_type == "Transpose" and (turned := attribute(node, "perm")):
        return turned.index(axis), places
    if node.op_type == "SpaceToDepth" and axis == 1:
        return axis, _repeated(places, attribute(node, "blocksize") ** 2)
    return (axis, places) if _treats_alike(nodes, node, name, axis) else None


def _repeated(places: list[int], blocks: int) -> list[int]:
    """The same order in each of several blocks, one after the other."""
    return [block * len(places) + each for block in range(blocks) for each in places]


def _treats_alike(nodes: Nodes, node: Any, name: str, axis: int) -> bool:
    """Whether an operation does the same at each place of an axis of a tensor that it reads."""
    if node.op_type in ("Identity", "Cast"):
        return True
    if node.op_type in ("Add", "Div", "Mul", "Sub"):
        return all(_is_scalar(nodes, each) for each in node.input if each != name)
    return node.op_type == "Pad" and _pads_elsewhere(nodes, node, name, axis)


def _is_scalar(nodes: Nodes, name: str) -> bool:
    value = nodes.constant(name)
    return value is not None and value.ndim == 0


def _pads_elsewhere(nodes: Nodes, pad: Any, name: str, axis: int) -> bool:
    """Whether a Pad leaves an axis of a tensor as long as it is."""
    pads = nodes.constant(pad.input[1])
    if pads is None or pad.input[0] != name or len(pad.input) > 3:
        return False
    before_and_after = pads.reshape(2, -1)  # each axis
    return not before_and_after[:, axis].any()


def _reads_channels(node: Any, name: str, axis: int) -> bool:
    return node.op_type == "Conv" and axis == 1 and node.input[0] == name


def _fold(nodes: Nodes, conv: Any, places: list[int]) -> bool:
    kernel = nodes.constant(conv.input[1])
    if kernel is None or attribute(conv, "group", 1) != 1 or kernel.shape[1] != len(places):
        return False
    made = nodes.keep(np.ascontiguousarray(kernel[:, np.argsort(places)]), f"{conv.input[1]}/ordered")
    changed = helper.make_node(conv.op_type, [conv.input[0], made, *conv.input[2:]], conv.output, conv.name)
    changed.attribute.extend(conv.attribute)
    nodes.replace(conv, [changed])
    return True
