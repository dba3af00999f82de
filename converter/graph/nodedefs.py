"""NodeDefs added in the place of another, in a graph or in a function, whose nodes are called by other names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import op_def_registry

from converter.graph.weights import marked


class Builder:
    """Adds operations in the place of one; their inputs are the names of tensors, as a NodeDef has them."""

    def __init__(self, node: Any, known: Mapping[str, NDArray[Any]], *, inside: bool, shape: Any = None) -> None:
        self.nodes: list[Any] = []
        self.shape = shape  # a tf.TensorShape of its first input, where that is known
        self._node, self._known, self._inside = node, known, inside

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; the name of its first result."""
        return self._add(f"{self._node.name}/{kind}_{len(self.nodes)}", kind, inputs, attributes)

    def last(self, kind: str, *inputs: str, **attributes: Any) -> None:
        """Add the operation that takes the place, and the name."""
        self._add(self._node.name, kind, inputs, attributes)

    def again(self, *inputs: str, **attributes: Any) -> None:
        """Add the same operation with other inputs, and some other attributes."""
        self._add(self._node.name, self._node.op, inputs, attributes)
        for name in set(self._node.attr) - set(attributes):
            self.nodes[-1].attr[name].CopyFrom(self._node.attr[name])

    def known(self, tensor: str) -> NDArray[Any] | None:
        """The value of a tensor that is a small constant."""
        return self._known.get(_plain(tensor))

    def constant(self, value: Any, kind: Any = None) -> str:
        """Add a constant."""
        tensor = tf.make_tensor_proto(value, kind)
        return self("Const", value=tensor, dtype=tf.dtypes.as_dtype(tensor.dtype))

    def renamed(self) -> tuple[str, str] | None:
        """How a function's nodes called the result, and how they call it now; None where that is the same."""
        before, after = (_result(each.name, each.op, self._inside) for each in (self._node, self.nodes[-1]))
        return None if before == after else (before, after)

    def _add(self, name: str, kind: str, inputs: Iterable[str], attributes: Mapping[str, Any]) -> str:
        node = node_def_pb2.NodeDef(name=name, op=kind, input=inputs)
        for key, value in attributes.items():
            _set(node.attr[key], value)
        self.nodes.append(node)
        return _result(name, kind, self._inside)


def constants(nodes: Sequence[Any], *, inside: bool) -> dict[str, NDArray[Any]]:
    """The small constants among nodes by the names of their tensors, also as they are passed on."""
    passed = [each for each in nodes if each.op == "Identity"]
    known = [each for each in nodes if each.op == "Const" and not marked(each)]
    names = {each.name: _plain(_result(each.name, each.op, inside)) for each in (*known, *passed)}
    found: dict[str, NDArray[Any]] = {names[each.name]: tf.make_ndarray(each.attr["value"].tensor) for each in known}
    for node in passed * 2:  # a variable is passed on more than once
        if _plain(node.input[0]) in found:
            found[names[node.name]] = found[_plain(node.input[0])]
    return found


def _plain(tensor: str) -> str:
    """A tensor's name without the number of a first result, which a graph's nodes may leave out."""
    return tensor.removesuffix(":0")


def _result(name: str, kind: str, inside: bool) -> str:
    """How nodes call the first result of an operation."""
    if not inside:
        return name
    return f"{name}:{op_def_registry.get(kind).output_arg[0].name}:0"


def _set(attribute: Any, value: Any) -> None:
    if isinstance(value, tf.DType):
        attribute.type = value.as_datatype_enum
    elif isinstance(value, bytes):
        attribute.s = value
    elif isinstance(value, list):
        attribute.list.i.extend(value)
    else:
        attribute.tensor.CopyFrom(value)
