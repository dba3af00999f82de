"""A signature's function with constants in the place of its variables, the large ones kept out of the graph."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework import convert_to_constants as freezing

from converter.graph.settled import settle
from converter.graph.weights import LEAST_BYTES, MARK, Weights


@dataclass(frozen=True, slots=True)
class Frozen:
    """A ConcreteFunction with marks in the place of its variables, and functions inlined; and the weights."""

    function: Any
    weights: Weights
    outputs: Mapping[str, Any]  # the signature's names -> tensors; some that nobody reads may be gone


def freeze(function: Any, *, lower_control_flow: bool, read: Collection[str]) -> Frozen:
    """Freeze a signature's ConcreteFunction, whose outputs `read` are needed.

    As TensorFlow's convert_variables_to_constants_v2 does it, and raises; UnusableModel if they depend on what changes.
    """
    names = sorted(function.structured_outputs)  # the outputs are sorted by them; several may be one tensor
    needed = {each.name for each, name in zip(function.outputs, names, strict=True) if name in read}
    settled = settle(function, lower_control_flow=lower_control_flow, read=needed)
    found = _Variables(function, settled.definition)
    definition, converted = freezing._replace_variables_by_constants(found)
    nodes = {node.name: node for node in definition.node}
    for name in found.kept_out:
        nodes[name].attr[MARK].s = name.encode()
    _forget_gradients(definition)
    sources = {**found.kept_out, **dict(_taken_out(definition.node))}
    left = {name: each for each, name in zip(function.outputs, names, strict=True) if each.name in settled.ends}
    kept = SimpleNamespace(graph=function.graph, inputs=function.inputs, outputs=[*left.values()])
    made = freezing._construct_concrete_function(kept, definition, converted)
    return Frozen(made, Weights(sources), dict(zip(left, made.outputs, strict=True)))


def _forget_gradients(definition: Any) -> None:
    """Of operations with gradients of their own: a copy has none, and TensorFlow would warn of it at each load."""
    functions = [node for function in definition.library.function for node in function.node_def]
    for node in (*definition.node, *functions):
        node.attr.pop("_gradient_op_type", None)


def _taken_out(nodes: Iterable[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """The values of large constants, which become marks."""
    for node in nodes:
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_content) >= LEAST_BYTES:
            tensor = node.attr["value"].tensor
            values = tf.make_ndarray(tensor)
            tensor.CopyFrom(tf.make_tensor_proto(np.zeros((), values.dtype), tensor.dtype, values.shape))
            node.attr[MARK].s = node.name.encode()
            yield node.name, values


class _Variables(freezing._FunctionConverterDataInEager):  # type: ignore[misc]  # no types
    """A function's variables, the large ones as something that says only types and shapes."""

    def __init__(self, function: Any, definition: Any) -> None:
        self.kept_out: dict[str, Any] = {}
        self._func = function
        freezing._ConverterData.__init__(self, definition)
        self._build_tensor_data()

    def _build_tensor_data(self) -> None:
        super()._build_tensor_data()
        for number, (_, inner) in enumerate(self._func.graph.captures):
            if inner.op.name not in self._tensor_data:  # a table's, which nothing asks any more
                self._tensor_data[inner.op.name] = freezing._TensorData(np.int32(0), tf.int32.as_datatype_enum, number)
        large = {name: data.numpy for name, data in self._tensor_data.items() if isinstance(data.numpy, _Mark)}
        self.kept_out = {name: mark.variable for name, mark in large.items()}

    def _eval(self, tensor: Any) -> Any:
        if isinstance(tensor, tf.Variable) and tensor.dtype != tf.string:  # whose contents are not one piece
            count = tensor.shape.num_elements() or 0
            if count * tensor.dtype.size >= LEAST_BYTES:
                return _Mark(tensor)
        return super()._eval(tensor)


class _Mark:
    """Of a variable's shape for tf.make_tensor_proto, which writes one value where that is all there is."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.shape, self.dtype = tuple(variable.shape), variable.dtype.as_numpy_dtype

    def __array__(self, *args: Any, **options: Any) -> NDArray[Any]:
        return np.zeros((), self.dtype)
