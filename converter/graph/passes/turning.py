"""Transpositions: of bytes, not of what they are cast to; none where the network undoes the picture graph's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.graph.passes.nodes import Nodes, attribute, same

_BYTES = (TensorProto.UINT8, TensorProto.INT8, TensorProto.BOOL)


def turning(nodes: Nodes) -> None:
    """Each transposition of what has just been cast from bytes, before the cast: a quarter of the memory."""
    for turn in nodes.of("Transpose"):
        cast = nodes.producers.get(turn.input[0])
        if cast is None or cast.op_type != "Cast" or nodes.reader(turn.input[0]) is None:
            continue
        if nodes.types.get(cast.input[0]) in _BYTES and attribute(turn, "perm"):
            nodes.replace(turn, _swapped(nodes, cast, turn))


def undo(before: Nodes, after: Nodes, name: str) -> None:
    """Leave out the transposition that makes a picture graph's output, if all that the network does is to undo it."""
    made, readers = before.producers[name], after.readers.get(name, [])
    turned = attribute(made, "perm") if made.op_type == "Transpose" else None
    if turned is None or before.readers.get(name):
        return
    stacked = [0, *(axis + 1 for axis in turned)]  # the network reads several pictures
    if readers and all(_undoes(node, stacked) for node in readers):
        before.drop(name)
        before.declare(name, np.argsort(turned).tolist())
        _drop_all(after, readers)
        after.declare(name, np.argsort(stacked).tolist())


def _drop_all(nodes: Nodes, those: Sequence[Any]) -> None:
    for node in those:
        nodes.drop(node.output[0])


def _undoes(node: Any, turned: Sequence[int]) -> bool:
    back = attribute(node, "perm") if node.op_type == "Transpose" else None
    return back is not None and len(back) == len(turned) and same([turned[axis] for axis in back])


def _swapped(nodes: Nodes, cast: Any, turn: Any) -> list[Any]:
    early, (result,) = f"{turn.output[0]}/bytes", turn.output
    nodes.types[early] = nodes.types[cast.input[0]]
    return [
        helper.make_node("Transpose", [cast.input[0]], [early], early, perm=attribute(turn, "perm")),
        helper.make_node("Cast", [early], [result], turn.name, to=attribute(cast, "to")),
    ]
