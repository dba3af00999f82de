"""An ONNX model's graph to look around in and to change: what makes and what reads each tensor, constants, sizes."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_ALL = 10**9  # tf2onnx's end of an axis of any size; negative: its beginning, walking backwards
_LITTLE = 1000  # numbers of a constant that sizes may depend on


class Nodes:
    """A model, changed in place; tensors are told by their names."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        typed = _typed(model)
        infos = [*typed.value_info, *typed.input, *typed.output]
        self.types = {each.name: each.type.tensor_type.elem_type for each in infos}
        self.sizes = {each.name: _sizes(each) for each in infos}
        self._results = {each.name for each in self._graph.output}
        given = {each.name for each in self._graph.input}
        self._constants = {each.name: each for each in self._graph.initializer if each.name not in given}
        self.nodes = list(self._graph.node)
        self._look()

    def _look(self) -> None:
        self.nodes = _needed(self.nodes, self._results)
        self.producers = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in _reads(node):
                self.readers.setdefault(name, []).append(node)

    def of(self, kind: str) -> list[Any]:
        """All operations of a kind, in order."""
        return [each for each in self.nodes if each.op_type == kind]

    def size(self, name: str, axis: int) -> int | None:
        """How long an axis of a tensor is, if that is known."""
        sizes = self.sizes.get(name, ())
        return sizes[axis] if 0 <= axis < len(sizes) else None

    def reader(self, name: str) -> Any:
        """The only node that reads a tensor; None if there are others, or if it is a result."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._results else None

    def constant(self, name: str) -> NDArray[Any] | None:
        """A tensor's values if they are always the same."""
        found = self._constants.get(name)
        return None if found is None else numpy_helper.to_array(found)

    def keep(self, values: NDArray[Any], name: str) -> str:
        """A new constant's name."""
        while name in self._constants or name in self.producers:
            name += "_"
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        self._constants[name] = self._graph.initializer[-1]
        return name

    def replace(self, node: Any, nodes: Sequence[Any]) -> None:
        """Other nodes in the place of one; what nothing needs any more is left out."""
        place = next(number for number, each in enumerate(self.nodes) if each.output[0] == node.output[0])
        self.nodes[place : place + 1] = nodes
        self._look()

    def drop(self, name: str) -> None:
        """Hand the first input of the node that makes a tensor on in its place."""
        node = self.producers[name]
        self.replace(node, [helper.make_node("Identity", [node.input[0]], [name], f"{name}/same")])

    def declare(self, name: str, order: Sequence[int]) -> None:
        """Give the axes of an input or output another order: the first is now what was in the first of these places."""
        for info in (*self._graph.input, *self._graph.output):
            dims = info.type.tensor_type.shape.dim
            if info.name == name and len(dims) == len(order):
                turned = [_copy(dims[axis]) for axis in order]
                del dims[:]
                dims.extend(turned)
                self.sizes[name] = _sizes(info)

    def write(self) -> None:
        """Put what was changed into the model."""
        copies = [_copy(each) for each in self.nodes]
        del self._graph.node[:]
        self._graph.node.extend(copies)
        read = {*self.readers, *self._results}
        for place in reversed(range(len(self._graph.initializer))):
            if self._graph.initializer[place].name not in read:
                del self._graph.initializer[place]

    def slices(self, node: Any) -> dict[int, slice] | None:
        """What a Slice takes of each axis, without those of which it takes all in their order; None if that varies."""
        known = self._all_constant(node.input[1:])
        if known is None:
            return None
        count = len(known[0])
        defaults = [list(range(count)), [1] * count]  # of axes and steps
        starts, ends, axes, steps = [*known, *defaults[len(known) - 2 :]]
        if min(axes) < 0:
            return None
        taken = {a: _slice(s, e, p) for a, s, e, p in zip(axes, starts, ends, steps, strict=True)}
        return {axis: each for axis, each in taken.items() if (each.start or 0, each.stop, each.step) != (0, None, 1)}

    def _all_constant(self, names: Sequence[str]) -> list[list[int]] | None:
        """The values of these tensors, if they are always the same."""
        found = [self.constant(name) for name in names]
        known = [each.tolist() for each in found if each is not None]
        return known if len(known) == len(found) else None


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """The value of one of a node's attributes."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def _slice(start: int, end: int, step: int) -> slice:
    """With None for what lies beyond any axis' ends."""
    first, last = (-_ALL, _ALL) if step > 0 else (_ALL, -_ALL)
    begins, ends = (start <= first, end >= last) if step > 0 else (start >= first, end <= last)
    return slice(None if begins else start, None if ends else end, step)


def shell(model: Any) -> Any:
    """A model with the same inputs and outputs, and nothing between them."""
    made = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    made.graph.name = model.graph.name
    made.graph.input.extend(model.graph.input)
    made.graph.output.extend(model.graph.output)
    return made


def graphs(graph: Any) -> Iterator[Any]:
    """A graph, and those of its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def light(model: Any) -> Any:
    """The model without its weights, which are inputs instead; what sizes may depend on is still there."""
    made, given = shell(model), model.graph
    made.graph.node.extend(given.node)
    made.graph.value_info.extend(given.value_info)
    inputs = {each.name for each in given.input}
    for each in given.initializer:
        if math.prod(each.dims) > _LITTLE and each.name not in inputs:
            made.graph.input.append(helper.make_tensor_value_info(each.name, each.data_type, each.dims))
        else:
            made.graph.initializer.append(each)
    return made


def _typed(model: Any) -> Any:
    """The graph with types and sizes of what is between its operations, found out without copies of its weights."""
    return onnx.shape_inference.infer_shapes(light(model)).graph


def _sizes(info: Any) -> tuple[int | None, ...]:
    return tuple(each.dim_value if each.HasField("dim_value") else None for each in info.type.tensor_type.shape.dim)


def _reads(node: Any) -> Iterator[str]:
    """All tensors that a node reads, in its branches and bodies too."""
    yield from node.input
    for each in node.attribute:
        for graph in (each.g, *each.graphs):
            yield from (info.name for info in graph.output)
            for inner in graph.node:
                yield from _reads(inner)


def _needed(nodes: list[Any], results: set[str]) -> list[Any]:
    wanted, needed = set(results), list[Any]()
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(_reads(node))
            needed.append(node)
    return needed[::-1]


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def same(values: Sequence[int]) -> bool:
    """Whether an order is the one that changes nothing."""
    return list(values) == list(range(len(values)))


def order(values: NDArray[Any] | None) -> list[int] | None:
    """Indices that name each place once; None for others."""
    if values is None or values.ndim != 1 or not np.array_equal(np.sort(values), np.arange(values.size)):
        return None
    return [int(each) for each in values]
