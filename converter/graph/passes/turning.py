"""Transpositions: of bytes, not of what they are cast to; none where the network undoes the picture graph's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.graph.passes.nodes import Nodes, attribute, same

_BYTES = (TensorProto.UINT8, TensorProto.INT8, TensorProto.BOOL)


def cast_after_turning(nodes: Nodes) -> None:
    """Each transposition of what has just been cast from bytes, before the cast: a quarter of the memory."""
    for turn in nodes.of("Transpose"):
        cast = _cast_from_bytes(nodes, turn.input[0])
        if cast is not None and attribute(turn, "perm"):
            nodes.replace(turn, _swapped(nodes, cast, turn))


def drop_undone(before: Nodes, after: Nodes, name: str) -> None:
    """Leave out the transposition that makes a picture graph's output, if all that the network does is to undo it."""
    turned, readers = _last_order(before, name), after.readers.get(name, [])
    if turned is None or not readers:
        return
    stacked = _stacked(turned)
    if all(_undoes(node, stacked) for node in readers):
        before.drop(name)
        before.declare(name, np.argsort(turned).tolist())
        for node in readers:
            after.drop(node.output[0])
        after.declare(name, np.argsort(stacked).tolist())


def _cast_from_bytes(nodes: Nodes, name: str) -> Any:
    """The cast that makes a tensor of bytes; None if something else makes it, or several operations read it."""
    cast = nodes.producers.get(name)
    if cast is None or cast.op_type != "Cast" or nodes.reader(name) is None:
        return None
    return cast if nodes.types.get(cast.input[0]) in _BYTES else None


def _last_order(nodes: Nodes, name: str) -> Sequence[int] | None:
    """How the transposition that makes an output orders axes; None if there is none, or the graph reads it too."""
    node = nodes.producers[name]
    if node.op_type != "Transpose" or nodes.readers.get(name):
        return None
    turned: Sequence[int] | None = attribute(node, "perm")
    return turned


def _stacked(turned: Sequence[int]) -> list[int]:
    """The same order for several pictures, as the network reads them."""
    return [0, *(axis + 1 for axis in turned)]


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
