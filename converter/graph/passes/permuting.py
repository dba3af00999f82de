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
        behind = _behind(nodes, node, name, axis, places)
        if behind is None:
            return node.op_type == "Conv" and axis == 1 and node.input[0] == name and _fold(nodes, node, places)
        (axis, places), name = behind, node.output[0]
    return False


def _behind(nodes: Nodes, node: Any, name: str, axis: int, places: list[int]) -> tuple[int, list[int]] | None:
    """The axis and the places behind an operation that passes an order on; None if it doesn't."""
    if node.op_type == "Transpose" and (turned := attribute(node, "perm")):
        return turned.index(axis), places
    if node.op_type == "SpaceToDepth" and axis == 1:
        return axis, _spread(places, attribute(node, "blocksize") ** 2)
    return (axis, places) if _treats_alike(nodes, node, name, axis) else None


def _spread(places: list[int], blocks: int) -> list[int]:
    return [block * len(places) + each for block in range(blocks) for each in places]


def _treats_alike(nodes: Nodes, node: Any, name: str, axis: int) -> bool:
    """Whether an operation does the same at each place of an axis of a tensor that it reads."""
    if node.op_type in ("Identity", "Cast"):
        return True
    others = [nodes.constant(each) for each in node.input if each != name]
    if node.op_type in ("Add", "Div", "Mul", "Sub"):
        return all(map(_is_number, others))
    return node.op_type == "Pad" and node.input[0] == name and _leaves(axis, others)


def _is_number(constant: Any) -> bool:
    return constant is not None and constant.ndim == 0


def _leaves(axis: int, pads: list[Any]) -> bool:
    """Whether a Pad with these constants adds nothing to an axis; what is added is 0 or one number."""
    if len(pads) > 2 or pads[0] is None:
        return False
    return not pads[0].reshape(2, -1)[:, axis].any()  # before and after each axis


def _fold(nodes: Nodes, conv: Any, places: list[int]) -> bool:
    kernel = nodes.constant(conv.input[1])
    if kernel is None or attribute(conv, "group", 1) != 1 or kernel.shape[1] != len(places):
        return False
    made = nodes.keep(np.ascontiguousarray(kernel[:, np.argsort(places)]), f"{conv.input[1]}/ordered")
    changed = helper.make_node(conv.op_type, [conv.input[0], made, *conv.input[2:]], conv.output, conv.name)
    changed.attribute.extend(conv.attribute)
    nodes.replace(conv, [changed])
    return True
