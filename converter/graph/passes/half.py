"""An ONNX model in half precision where that does no harm: in its learnt operations from a depth on, and between them.

Rounding errors of the first layers pass through all others: with two fifths of the depth in FP32 scores are half as far
from native, or less (YOLOX-Nano: 0.0008 in place of 0.016). What follows the last learnt operations stays in FP32 too:
boxes are computed after the last convolutions, where half a pixel matters and nothing is to be won. The converter in
onnxconverter-common rounds every result of an operation that is kept in FP32, and so the boxes: it isn't used.

A depth is the share of the learnt operations, counted from the beginning on the longest way, that stay in FP32.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter.graph.passes.nodes import light, shell
from converter.half_precision import LARGEST

HALF = "/half"  # how the names of tensors end that are made in FP16
_LEARNT = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
# What may be between them: their results in half precision need no more than their inputs.
_BETWEEN = frozenset(
    {
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Clip",
        "Concat",
        "DepthToSpace",
        "Div",
        "Elu",
        "Flatten",
        "Gather",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "PRelu",
        "Pad",
        "Relu",
        "Reshape",
        "Resize",
        "Sigmoid",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Sub",
        "Tanh",
        "Tile",
        "Transpose",
        "Unsqueeze",
    }
)


def to_half(model: Any, kept: Collection[str] = (), *, depth: float) -> tuple[Any, int]:
    """The model in FP16 with inputs and outputs as before, and how many of its operations are in FP16.

    Those up to this `depth`, and those whose first outputs are `kept`, stay in FP32.
    """
    nodes = halved(model, depth) - set(kept)
    graph = _Halving(model.graph, frozenset(nodes), types(model))
    made = shell(model)
    made.graph.node.extend(graph.nodes())
    made.graph.initializer.extend(graph.initializers())
    return made, len(nodes)


def halved(model: Any, depth: float) -> set[str]:
    """The first outputs of the nodes that are in FP16 where all values can be, and whose types are known."""
    nodes, depths = list(model.graph.node), _depths(model.graph.node)
    shallow = depth * max(depths.values(), default=0)
    known = {*types(model), *(each.name for each in model.graph.initializer), ""}  # "": an input that is left out
    deep = (node for node in _between_learnt(nodes) if depths[node.output[0]] > shallow)
    return {node.output[0] for node in deep if known.issuperset((*node.input, *node.output))}


def ends(model: Any) -> list[str]:
    """The results of the learnt operations that no other learnt one comes after, as far as they are in FP32."""
    nodes, known = list(model.graph.node), types(model)
    inner = _reached(nodes, forwards=False)
    last = [node.output[0] for node in nodes if node.op_type in _LEARNT and node.output[0] not in inner]
    return [name for name in last if known.get(name) == TensorProto.FLOAT]


def types(model: Any) -> dict[str, int]:
    """Those of a model's tensors, but for its constants', as far as they are known."""
    typed = onnx.shape_inference.infer_shapes(light(model)).graph
    return {each.name: each.type.tensor_type.elem_type for each in (*typed.value_info, *typed.input, *typed.output)}


def _between_learnt(nodes: list[Any]) -> Iterator[Any]:
    """The nodes that are learnt, or have learnt ones before and after them."""
    after, before = _reached(nodes, forwards=True), _reached(nodes, forwards=False)
    for node in nodes:
        inside = node.op_type in _BETWEEN and {node.output[0]} <= (after & before)
        if node.op_type in _LEARNT or inside:
            yield node


def _depths(nodes: Iterable[Any]) -> dict[str, int]:
    """How many learnt operations lie on the longest way to each tensor, with the one that makes it."""
    depths: dict[str, int] = {}
    for node in nodes:
        before = max((depths.get(name, 0) for name in node.input), default=0)
        depths |= dict.fromkeys(node.output, before + (node.op_type in _LEARNT))
    return depths


def _reached(nodes: Iterable[Any], *, forwards: bool) -> set[str]:
    """The first outputs of the nodes that have a learnt one before them, or (not `forwards`) after them."""
    tensors: set[str] = set()
    reached: set[str] = set()
    for node, near, far in _steps(nodes, forwards=forwards):
        if tensors & set(near):
            reached.add(node.output[0])
        if node.output[0] in reached or node.op_type in _LEARNT:
            tensors |= set(far)
    return reached


def _steps(nodes: Iterable[Any], *, forwards: bool) -> list[tuple[Any, Sequence[str], Sequence[str]]]:
    """Each node in this direction, with the tensors on its near side and on its far side."""
    if forwards:
        return [(node, node.input, node.output) for node in nodes]
    return [(node, node.output, node.input) for node in reversed(list(nodes))]


@dataclass
class _Halving:
    """Writes the nodes again; a tensor that is made in one precision and read in the other is cast once."""

    graph: Any
    chosen: frozenset[str]  # first outputs of the nodes in FP16
    types: dict[str, int]  # of tensors
    weights: dict[str, Any] = field(init=False)
    half: set[str] = field(default_factory=set)  # tensors that are made in FP16
    cast: dict[str, Any] = field(default_factory=dict)  # by what they make
    made: dict[str, Any] = field(default_factory=dict)  # initializers in FP16
    whole: set[str] = field(default_factory=set)  # initializers that are still read in FP32

    def __post_init__(self) -> None:
        self.weights = {each.name: each for each in self.graph.initializer}
        self.types |= {name: each.data_type for name, each in self.weights.items()}

    def nodes(self) -> Iterator[Any]:
        """All nodes in order, with the casts they need."""
        results = {each.name for each in self.graph.output}
        for node in self.graph.node:
            new = onnx.NodeProto()
            new.CopyFrom(node)
            for number in range(len(node.input)):
                yield from self._read(new, number, half=self._wants_half(node, number))
            if node.output[0] in self.chosen:
                self._make_half(new)
            yield new
            yield from (self._cast(name, TensorProto.FLOAT) for name in node.output if name in self.half & results)

    def initializers(self) -> Iterator[Any]:
        """The constants that the nodes read."""
        yield from self.made.values()
        yield from (weight for name, weight in self.weights.items() if name in self.whole)

    def _wants_half(self, node: Any, number: int) -> bool:
        """Whether a node is to read an input, told by its number, in FP16; a Resize's sizes stay as they are."""
        return node.output[0] in self.chosen and not (node.op_type == "Resize" and number > 0)

    def _make_half(self, node: Any) -> None:
        for number, name in enumerate(node.output):
            if self.types.get(name) == TensorProto.FLOAT:
                self.half.add(name)
                node.output[number] = f"{name}{HALF}"

    def _read(self, node: Any, number: int, *, half: bool) -> Iterator[Any]:
        """Connect an input, with the cast that it needs, if there is none yet."""
        name = node.input[number]
        if not half or self.types.get(name) != TensorProto.FLOAT:
            yield from self._read_as_it_was(name)
            return
        node.input[number] = f"{name}{HALF}"
        if name in self.weights:
            self.made.setdefault(name, _rounded(self.weights[name], f"{name}{HALF}"))
        elif name not in self.half and f"{name}{HALF}" not in self.cast:
            yield self._cast(f"{name}{HALF}", TensorProto.FLOAT16)

    def _read_as_it_was(self, name: str) -> Iterator[Any]:
        if name in self.weights:
            self.whole.add(name)
        elif name in self.half and name not in self.cast:
            yield self._cast(name, TensorProto.FLOAT)

    def _cast(self, name: str, kind: int) -> Any:
        given = name.removesuffix(HALF) if kind == TensorProto.FLOAT16 else f"{name}{HALF}"
        self.cast[name] = helper.make_node("Cast", [given], [name], f"{name}/cast", to=kind)
        return self.cast[name]


def _rounded(weight: Any, name: str) -> Any:
    values = numpy_helper.to_array(weight)
    return numpy_helper.from_array(np.clip(values, -LARGEST, LARGEST).astype(np.float16), name)
