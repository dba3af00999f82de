"""bfloat16 as float32, which holds all its values: tf2onnx and ONNX Runtime know next to nothing of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.graph.weights import marked

_FROM, _TO = tf.bfloat16.as_datatype_enum, tf.float32.as_datatype_enum


def in_float32(definition: Any) -> Any:
    """A GraphDef with float32 in the place of bfloat16; the same one where it has none."""
    if not any(_mentions(node) for node in _nodes(definition)):
        return definition
    changed = type(definition)()
    changed.CopyFrom(definition)
    for node in _nodes(changed):
        _widen(node)
    for function in changed.library.function:
        _widen_signature(function.signature)
    return changed


@dataclass(frozen=True, slots=True)
class Widened(Mapping[str, NDArray[Any]]):
    """Weights in the types that they then have."""

    weights: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return _widened(self.weights[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def _nodes(definition: Any) -> Iterator[Any]:
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _mentions(node: Any) -> bool:
    return any(each.type == _FROM or _FROM in each.list.type for each in node.attr.values())


def _widen(node: Any) -> None:
    _widen_tensor(node)
    for value in node.attr.values():
        if value.type == _FROM:
            value.type = _TO
        for place in [place for place, kind in enumerate(value.list.type) if kind == _FROM]:
            value.list.type[place] = _TO


def _widen_signature(signature: Any) -> None:
    for each in (*signature.input_arg, *signature.output_arg):
        if each.type == _FROM:
            each.type = _TO


def _widen_tensor(node: Any) -> None:
    if node.op != "Const" or node.attr["dtype"].type != _FROM:
        return
    tensor = node.attr["value"].tensor
    if marked(node):  # one value for all places
        made = type(tensor)(dtype=_TO, tensor_shape=tensor.tensor_shape, float_val=[0.0])
    else:
        made = tf.make_tensor_proto(_widened(tf.make_ndarray(tensor)))
    tensor.CopyFrom(made)


def _widened(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if values.dtype == tf.bfloat16.as_numpy_dtype else values
