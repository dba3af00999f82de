"""How large a network's values become, and which of its nodes so can't be in FP16, which ends at 65,504.

A CPU computes FP16 in FP32: only on a GPU would a value beyond the limit become infinite, and the boxes nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from converter.graph.passes.half import halved, types
from converter.graph.passes.nodes import shell
from converter.half_precision import LARGEST, NEAR

_PREFIX = "largest/"


def observed(model: Any) -> tuple[Any, list[str]]:
    """The model with further outputs, whose names come with it: the largest values of tensors that may be in FP16."""
    made = shell(model)
    made.graph.node.extend(model.graph.node)
    made.graph.initializer.extend(model.graph.initializer)
    names = [f"{_PREFIX}{name}" for name in dict.fromkeys(_in_half(model))]
    for name in names:
        made.graph.node.append(helper.make_node("Abs", [largest_of(name)], [f"{name}/sizes"]))
        made.graph.node.append(helper.make_node("ReduceMax", [f"{name}/sizes"], [name], keepdims=0))
        made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    return made, names


def largest_of(name: str) -> str:
    """The tensor whose largest value an output is."""
    return name.removeprefix(_PREFIX)


def beyond(model: Any, largest: Mapping[str, float], depth: float) -> dict[str, str]:
    """Nodes deeper than `depth` that must stay in FP32, by their first outputs: with type, place, and the value."""
    chosen, weights = halved(model, depth), {each.name: each for each in model.graph.initializer}
    found = {}
    for node in _of(model, chosen):
        value = float(np.max([largest.get(name, 0.0) for name in (*node.input, *node.output)]))
        fixed = max(_most(weights.get(name)) for name in node.input)
        if not value <= NEAR or fixed > LARGEST:  # what is no number is beyond it too
            found[node.output[0]] = f"{node.op_type} ({node.name}): {np.max([value, fixed]):.4g}"
    return found


def _in_half(model: Any) -> Iterator[str]:
    """The tensors that may be in FP16, but for weights."""
    chosen, known = halved(model, 0), types(model)
    for node in _of(model, chosen):
        yield from (name for name in (*node.input, *node.output) if known.get(name) == TensorProto.FLOAT)


def _most(weight: Any) -> float:
    if weight is None or weight.data_type != TensorProto.FLOAT:
        return 0.0
    return float(np.abs(numpy_helper.to_array(weight)).max(initial=0.0))


def _of(model: Any, chosen: Collection[str]) -> list[Any]:
    """The nodes with these first outputs."""
    return [each for each in model.graph.node if each.output[0] in chosen]
