"""Channels in another order: nothing to compute where a convolution's kernel can be put into that order instead."""

from typing import Any

import numpy as np
from onnx import helper

from converter.graph.passes.nodes import Nodes, attribute, order


def permuting(nodes: Nodes) -> None:
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
        if node.op_type == "Transpose" and (turned := attribute(node, "perm")):
            axis = turned.index(axis)
        elif node.op_type == "SpaceToDepth" and axis == 1:
            blocks = attribute(node, "blocksize") ** 2
            places = [block * len(places) + each for block in range(blocks) for each in places]
        elif not _treats_alike(nodes, node, name, axis):
            return node.op_type == "Conv" and axis == 1 and node.input[0] == name and _fold(nodes, node, places)
        name = node.output[0]
    return False


def _treats_alike(nodes: Nodes, node: Any, name: str, axis: int) -> bool:
    """Whether an operation does the same at each place of an axis of a tensor that it reads."""
    if node.op_type in ("Identity", "Cast"):
        return True
    others = [nodes.constant(each) for each in node.input if each != name]
    if node.op_type in ("Add", "Div", "Mul", "Sub"):
        return all(each is not None and each.ndim == 0 for each in others)
    if node.op_type == "Pad" and len(node.input) <= 3 and node.input[0] == name and others[0] is not None:
        pads = others[0].reshape(2, -1)  # before and after each axis
        return not pads[:, axis].any()
    return False


def _fold(nodes: Nodes, conv: Any, places: list[int]) -> bool:
    kernel = nodes.constant(conv.input[1])
    if kernel is None or attribute(conv, "group", 1) != 1 or kernel.shape[1] != len(places):
        return False
    made = nodes.keep(np.ascontiguousarray(kernel[:, np.argsort(places)]), f"{conv.input[1]}/ordered")
    changed = helper.make_node(conv.op_type, [conv.input[0], made, *conv.input[2:]], conv.output, conv.name)
    changed.attribute.extend(conv.attribute)
    nodes.replace(conv, [changed])
    return True
