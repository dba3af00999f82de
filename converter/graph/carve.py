"""A part of a graph as a graph of its own, between the tensors that it is fed and those that are fetched from it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2

from converter.graph.weights import Weights
from converter.model.onnx_layout import COUNT

_READ, _WRITTEN = "values_read/", "values_written/"


@dataclass(frozen=True, slots=True)
class Source:
    """A graph to carve parts from."""

    graph: Any  # tf.Graph
    functions: Mapping[str, Any] = field(default_factory=dict)  # the FunctionDefs of its loops and branches, by name
    weights: Weights = field(default_factory=Weights)  # for the marks among its constants


@dataclass(frozen=True, slots=True)
class Carved:
    """A GraphDef with a placeholder for each value that it reads."""

    definition: Any  # GraphDef
    feeds: Mapping[str, str]  # the names of the values that it reads -> tensors
    fetches: Mapping[str, str]  # of those that it writes -> tensors
    operations: Mapping[str, int] = field(default_factory=dict)  # how many of each type it took, without constants
    weights: Weights = field(default_factory=Weights)  # those of its source

    @property
    def specs(self) -> list[Any]:
        """Type and shape of what it reads."""
        nodes = {node.name: node.attr for node in self.definition.node}
        attributes = {name: nodes[tensor.partition(":")[0]] for name, tensor in self.feeds.items()}
        return [
            tf.TensorSpec(tf.TensorShape(attr["shape"].shape), tf.dtypes.as_dtype(attr["dtype"].type), name=name)
            for name, attr in attributes.items()
        ]


def carve(
    source: Source,
    feeds: Mapping[str, str],
    fetches: Mapping[str, str],
    *,
    instead: Mapping[str, Sequence[Any]] | None = None,
    ordered: bool = False,
) -> Carved:
    """What computes the values `fetches` (name -> tensor) from the tensors in `feeds` (tensor -> name).

    `instead` has the NodeDefs that take the place of an operation, by its name. Without `ordered`, operations that
    others only wait for are left out: ONNX has no such thing.
    """
    instead = instead or {}
    kept = _needed(source.graph, feeds, fetches.values(), instead, ordered)
    read = dict(_read(source.graph, kept, feeds, fetches.values()))
    if _reads_count(kept, instead):
        read[COUNT] = placeholder(_READ + COUNT, tf.int32, tf.TensorShape([]))
    renamed = {tensor: _node_name(_READ, name) for tensor, name in feeds.items()}
    definition = graph_pb2.GraphDef(versions=source.graph.graph_def_versions)
    definition.node.extend(read.values())
    for operation in kept:
        definition.node.extend(instead.get(operation.name) or [_rewired(operation, renamed, ordered)])
    definition.node.extend(_written(source.graph, fetches, renamed))
    definition.library.function.extend(_called(source.functions, definition))
    reads = {name: f"{_node_name(_READ, name)}:0" for name in read}
    writes = {name: f"{_WRITTEN}{number}:0" for number, name in enumerate(fetches)}
    return Carved(definition, reads, writes, _counted(kept), source.weights)


def count_nodes(operation: Any) -> list[Any]:
    """The NodeDefs that tell from the value COUNT what an operation asked the files' own shape."""
    output = operation.outputs[0]
    shape = constant(f"{operation.name}/shape", np.ones(output.shape.rank, np.int32))
    typed = _node(f"{operation.name}/typed", "Cast", [_READ + COUNT])
    typed.attr["SrcT"].type, typed.attr["DstT"].type = tf.int32.as_datatype_enum, output.dtype.as_datatype_enum
    shaped = _node(operation.name, "Reshape", [typed.name, shape.name])
    shaped.attr["T"].type, shaped.attr["Tshape"].type = output.dtype.as_datatype_enum, tf.int32.as_datatype_enum
    return [shape, typed, shaped]


def constant(name: str, value: Any) -> Any:
    """A NodeDef that is a constant."""
    node = _node(name, "Const", [])
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
    return node


def placeholder(name: str, dtype: Any, shape: Any) -> Any:
    """A NodeDef that is fed."""
    node = _node(name, "Placeholder", [])
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(shape.as_proto())
    return node


def _node(name: str, kind: str, inputs: Sequence[str]) -> Any:
    return node_def_pb2.NodeDef(name=name, op=kind, input=inputs)


def _called(functions: Mapping[str, Any], definition: Any) -> list[Any]:
    """The FunctionDefs that the nodes of a GraphDef name, and those that these name."""
    named: dict[str, Any] = {}
    waiting = list(definition.node)
    while waiting:
        for value in waiting.pop().attr.values():
            for name in {value.func.name, *(each.name for each in value.list.func)} & functions.keys() - named.keys():
                named[name] = functions[name]
                waiting += functions[name].node_def
    return list(named.values())


def _node_name(prefix: str, name: str) -> str:
    """What a node for a value is called: signatures may have names that no node may have."""
    return prefix + re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", name)


def _written(graph: Any, fetches: Mapping[str, str], renamed: Mapping[str, str]) -> Iterator[Any]:
    """Nodes that hand the fetched tensors on under the names of their values."""
    for number, tensor in enumerate(fetches.values()):
        node = _node(f"{_WRITTEN}{number}", "Identity", [renamed.get(tensor, tensor)])
        node.attr["T"].type = graph.get_tensor_by_name(tensor).dtype.as_datatype_enum
        yield node


def _read(
    graph: Any, operations: Iterable[Any], feeds: Mapping[str, str], tensors: Iterable[str]
) -> Iterator[tuple[str, Any]]:
    """Placeholders for those of the tensors `feeds` that are read, by the names of their values."""
    names = {each.name for operation in operations for each in operation.inputs} | set(tensors)
    for tensor, name in feeds.items():
        if tensor in names:
            spec = graph.get_tensor_by_name(tensor)
            yield name, placeholder(_node_name(_READ, name), spec.dtype, spec.shape)


def _needed(
    graph: Any, feeds: Mapping[str, str], tensors: Iterable[str], instead: Mapping[str, Any], ordered: bool
) -> list[Any]:
    waiting = [graph.get_tensor_by_name(name).op for name in tensors if name not in feeds]
    needed: dict[str, Any] = {}
    while waiting:
        operation = waiting.pop()
        if operation.name in needed:
            continue
        needed[operation.name] = operation
        if operation.name not in instead:
            waiting += _sources(operation, feeds, ordered)
    return list(needed.values())


def _sources(operation: Any, feeds: Mapping[str, str], ordered: bool) -> list[Any]:
    """The operations that one reads, but for what is fed, and those that it waits for."""
    read = [each.op for each in operation.inputs if each.name not in feeds]
    return [*read, *operation.control_inputs] if ordered else read


def _rewired(operation: Any, renamed: Mapping[str, str], ordered: bool) -> Any:
    node = node_def_pb2.NodeDef()
    node.CopyFrom(operation.node_def)
    inputs = [renamed.get(each.name, each.name) for each in operation.inputs]
    waits = [f"^{each.name}" for each in operation.control_inputs] if ordered else []
    node.input[:] = [*inputs, *waits]
    node.device = ""
    return node


def _reads_count(operations: Iterable[Any], instead: Mapping[str, Sequence[Any]]) -> bool:
    """Whether what takes the place of one of these operations reads the number of pictures."""
    return any(_READ + COUNT in node.input for each in operations for node in instead.get(each.name, ()))


def _counted(operations: Sequence[Any]) -> dict[str, int]:
    types = sorted(each.type for each in operations if each.type not in ("Const", "Identity", "Placeholder"))
    return {kind: types.count(kind) for kind in dict.fromkeys(types)}
