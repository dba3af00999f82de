"""An ONNX network in two: what a GPU is good at, and its ending, which is faster on a CPU.

NonMaxSuppression takes 9 of 22 ms on CUDA for one picture of a RetinaNet and 85 of 105 ms for eight; on the CPU 0.4 and
3 ms (ONNX Runtime 1.31.1 on an H200, benchmarks/gpu.md). Plain data: no session is opened here.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper, shape_inference

_SLOW = "NonMaxSuppression"
# What may go with the ending where only that reads it: it makes nothing larger, or computes with shapes.
_LIGHT = frozenset({"Transpose", "Squeeze", "Unsqueeze", "Reshape", "Identity", "ConstantOfShape", "EyeLike"})
_ON_SHAPES = frozenset(
    {"Mul", "Add", "Sub", "Div", "Min", "Max", "Concat", "Slice", "Gather", "Cast", "Range", "ReduceProd"}
)
_INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


@dataclass(frozen=True, slots=True)
class Halves:
    """A network as two models; the second reads what the first gives, and inputs of the network."""

    front: Any  # onnx.ModelProto
    ending: Any | None  # onnx.ModelProto; None if nothing of the network is slow on a GPU


def load(path: Path) -> Any:
    """The model in a file; weights in a file beside it stay there."""
    return onnx.load(str(path), load_external_data=False)


def weights_bytes(model: Any) -> int:
    """What its weights take, wherever they lie."""
    each = ((math.prod(tensor.dims), tensor.data_type) for tensor in model.graph.initializer)
    return sum(count * int(helper.tensor_dtype_to_np_dtype(kind).itemsize) for count, kind in each)


def halves(network: Any) -> Halves:
    """Split a network before its NonMaxSuppression; ValueError if the type of a tensor at the cut is not known."""
    types = _types(network)
    late = _late(network.graph, types)
    if not late:
        return Halves(network, None)
    first, second = _parted(network.graph.node, late)
    inputs = _inputs(network.graph)
    edge = [name for name in _all(map(reads, second)) if name in {*inputs, *_made(first)}]
    ends, later = _ends(network.graph, _made(second))
    front = _model(network, first, inputs, [*(name for name in edge if name not in inputs), *ends], types)
    return Halves(front, _model(network, second, edge, later, types))


def _parted(nodes: Iterable[Any], late: Collection[int]) -> tuple[list[Any], list[Any]]:
    parts: tuple[list[Any], list[Any]] = ([], [])
    for number, node in enumerate(nodes):
        parts[number in late].append(node)
    return parts


def _inputs(graph: Any) -> list[str]:
    """What is given at each call: older files name their weights among the inputs too."""
    constants = {tensor.name for tensor in graph.initializer}
    return [each.name for each in graph.input if each.name not in constants]


def _ends(graph: Any, made: Collection[str]) -> tuple[list[str], list[str]]:
    """The graph's outputs: those that the ending has not made, and those that it has."""
    names = [each.name for each in graph.output]
    return [name for name in names if name not in made], [name for name in names if name in made]


def _all(names: Iterable[Iterable[str]]) -> dict[str, None]:
    """All names once, in their order."""
    return dict.fromkeys(chain.from_iterable(names))


def _made(nodes: Iterable[Any]) -> dict[str, None]:
    return _all(node.output for node in nodes)


def fixed(model: Any, batch: int, *, count: str) -> Any:
    """The model for batches of one size alone; its input `count`, how many pictures there are, becomes a constant.

    ONNX Runtime folds what follows from the shapes, and CUDA graphs need them.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.value_info[:]
    for each in list(made.graph.input):
        if each.name == count:
            made.graph.input.remove(each)
            kind = helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)
            made.graph.initializer.append(numpy_helper.from_array(kind.type(batch), count))
        elif each.type.tensor_type.shape.dim:
            each.type.tensor_type.shape.dim[0].dim_value = batch
    for number, each in enumerate(made.graph.output):
        rank = len(each.type.tensor_type.shape.dim)
        _open(each, [f"{number}_{axis}" for axis in range(rank)])
    return made


def reads(node: Any) -> Iterator[str]:
    """The tensors that a node reads, in its subgraphs too; names that a subgraph makes itself are among them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from reads(inner)


def _late(graph: Any, types: Mapping[str, Any]) -> set[int]:
    """The numbers of the nodes from the slow ones on, and of light ones that only those read."""
    late, made = set[int](), set[str]()
    for number, node in enumerate(graph.node):
        if _is_slow(node) or any(name in made for name in reads(node)):
            late.add(number)
            made.update(node.output)
    while late and (more := list(_lighter(graph, late, types))):
        late.update(more)
    return late


def _lighter(graph: Any, late: set[int], types: Mapping[str, Any]) -> Iterator[int]:
    """Light nodes that only the ending reads so far."""
    others, ending = _parted(graph.node, late)
    read = _all(map(reads, ending))
    needed = {*_all(map(reads, others)), *(each.name for each in graph.output)}
    for number, node in enumerate(graph.node):
        only_there = read.keys() & {*node.output} and needed.isdisjoint(node.output)
        if number not in late and only_there and _is_light(node, read, types):
            yield number


def _is_light(node: Any, read: Collection[str], types: Mapping[str, Any]) -> bool:
    if node.op_type == "Shape":
        return node.input[0] in read  # else a tensor would leave the GPU for its shape
    if node.op_type in _ON_SHAPES:
        return all(name in types and types[name].type.tensor_type.elem_type in _INTEGERS for name in node.output)
    return node.op_type in _LIGHT


def _is_slow(node: Any) -> bool:
    inner = (each for attribute in node.attribute for graph in (attribute.g, *attribute.graphs) for each in graph.node)
    return node.op_type == _SLOW or any(_is_slow(each) for each in inner)


def _types(network: Any) -> dict[str, Any]:
    graph = shape_inference.infer_shapes(network).graph
    known = {each.name: each for each in (*graph.value_info, *graph.input, *graph.output)}
    return {name: each for name, each in known.items() if each.type.tensor_type.elem_type}


def _model(network: Any, nodes: list[Any], takes: list[str], gives: list[str], types: dict[str, Any]) -> Any:
    if unknown := [name for name in (*takes, *gives) if name not in types]:
        raise ValueError(f"the type of {', '.join(map(repr, unknown))} is not known")
    used = {name for node in nodes for name in reads(node)} | set(gives)
    weights = [tensor for tensor in network.graph.initializer if tensor.name in used]
    described = [[_described(types[name]) for name in names] for names in (takes, gives)]
    made = helper.make_model(
        helper.make_graph(nodes, network.graph.name, *described, weights),
        opset_imports=network.opset_import,
        functions=network.functions,
    )
    made.ir_version = network.ir_version
    return made


def _described(known: Any) -> Any:
    """A tensor's name, type and what is known of its shape."""
    made = onnx.ValueInfoProto()
    made.CopyFrom(known)
    names = [each.dim_param or f"{known.name}_{axis}" for axis, each in enumerate(made.type.tensor_type.shape.dim)]
    _open(made, names, only_unknown=True)
    return made


def _open(described: Any, names: Iterable[str], *, only_unknown: bool = False) -> None:
    for name, side in zip(names, described.type.tensor_type.shape.dim, strict=True):
        if not (only_unknown and side.HasField("dim_value")):
            side.Clear()
            side.dim_param = name
