"""Weights kept out of a graph while it is rewritten: the graph has marks of their types and shapes in their place.

TensorFlow, protobuf and tf2onnx copy a graph again and again, and constants with it. A mark is a constant that has one
value for all places, a few bytes, and the name of the weight.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import graph_pb2
from tensorflow.python.eager import context

MARK = "_weight"  # the attribute of a mark; TensorFlow leaves those alone that begin with an underscore
LEAST_BYTES = 64 << 10  # what is smaller costs nothing, and may be a shape that is looked at


@dataclass(frozen=True, slots=True)
class Weights(Mapping[str, NDArray[Any]]):
    """The values of a graph's weights by the names in its marks; each is read when it is asked for."""

    sources: Mapping[str, Any] = field(default_factory=dict)  # tf.Variables, or arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        source = self.sources[name]
        if isinstance(source, np.ndarray):
            return source
        with context.eager_mode():  # it may be asked for while a graph is built
            values: NDArray[Any] = source.numpy()
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def restored(self, definition: Any) -> Any:
        """The GraphDef with weights in the place of its marks."""
        whole = graph_pb2.GraphDef()
        whole.CopyFrom(definition)
        for node in whole.node:
            if name := marked(node):
                fill(node, self[name])
        return whole


@dataclass(frozen=True, slots=True)
class Contents(Mapping[str, bytes]):
    """The same as bytes, by the names of the nodes that are marks."""

    weights: Mapping[str, NDArray[Any]]
    names: Mapping[str, str]  # node -> weight

    def __getitem__(self, node: str) -> bytes:
        return self.weights[self.names[node]].tobytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def marked(node: Any) -> str | None:
    """The name of the weight that belongs in a NodeDef's place, if it is a mark."""
    return node.attr[MARK].s.decode() if node.op == "Const" and MARK in node.attr else None


def fill(node: Any, values: NDArray[Any]) -> None:
    """Make a mark the constant that it stands for."""
    del node.attr[MARK]
    tensor = node.attr["value"].tensor
    emptied = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
    tensor.CopyFrom(emptied)
    tensor.tensor_content = values.tobytes()


def copied(node: Any, name: str) -> Any:
    """A constant's NodeDef, or a mark's, under another name."""
    copy = type(node)(name=name, op=node.op)
    for key in {"dtype", "value", MARK} & set(node.attr):
        copy.attr[key].CopyFrom(node.attr[key])
    return copy


def pass_by(definition: Any, kept: Collection[str]) -> None:
    """Have nodes that read a mark through an Identity, as variables are read, read it themselves.

    Nodes that only passed it on are left out, other than those `kept`: tf2onnx would compute each.
    """
    known = {node.name: node for node in definition.node}
    passed = {name: mark for name in known if (mark := _mark_behind(name, known)) and mark != name}
    for node in known.values():
        node.input[:] = [passed.get(_maker(name), name) for name in node.input]
    for place in reversed(range(len(definition.node))):
        if definition.node[place].name in passed.keys() - kept:
            del definition.node[place]


def fed(graph: Any, weights: Mapping[str, NDArray[Any]], tensors: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The weights on which tensors of a tf.Graph depend, by the tensors that are marks in their place."""
    marks = {f"{each.name}:0": marked(each.node_def) for each in _needed(graph, tensors)}
    return {tensor: weights[weight] for tensor, weight in marks.items() if weight}


def _needed(graph: Any, tensors: Iterable[str]) -> Iterable[Any]:
    """The operations on which these tensors depend."""
    waiting = [graph.get_tensor_by_name(each).op for each in tensors]
    needed: dict[str, Any] = {}
    while waiting:
        operation = waiting.pop()
        needed[operation.name] = operation
        before = [*(each.op for each in operation.inputs), *operation.control_inputs]
        waiting += [each for each in before if each.name not in needed]
    return needed.values()


def _mark_behind(name: str, known: Mapping[str, Any]) -> str | None:
    """The mark that a node is, or passes on unchanged."""
    node = known[name]
    while node.op == "Identity" and len(node.input) == 1 and _maker(node.input[0]) in known:
        node = known[_maker(node.input[0])]
    return node.name if marked(node) else None


def _maker(tensor: str) -> str:
    """The name of the node whose first output a tensor is; what is no such is no node's name."""
    return tensor.removesuffix(":0")
