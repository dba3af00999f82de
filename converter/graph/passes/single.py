"""An operation in float32 between others in float64, for which ONNX Runtime has no implementation of it."""

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import TensorProto, helper

from converter.graph.passes.nodes import light


def in_single(model: Any, node: Any) -> bool:
    """Change a node of the model so; False where it has nothing in float64, or lies in a loop or a branch."""
    place = next((place for place, each in enumerate(model.graph.node) if each.name == node.name), None)
    typed = onnx.shape_inference.infer_shapes(light(model)).graph
    doubles = {each.name for each in _infos(typed) if each.type.tensor_type.elem_type == TensorProto.DOUBLE}
    doubles |= {each.name for each in model.graph.initializer if each.data_type == TensorProto.DOUBLE}
    if place is None or not doubles & {*node.input, *node.output}:
        return False
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    before, after = [], []
    for number, name in enumerate(node.input):
        if name in doubles:
            changed.input[number] = f"{node.name}/single_{number}"
            before.append(helper.make_node("Cast", [name], [changed.input[number]], to=TensorProto.FLOAT))
    for number, name in enumerate(node.output):
        if name in doubles:
            changed.output[number] = f"{name}/single"
            after.append(helper.make_node("Cast", [changed.output[number]], [name], to=TensorProto.DOUBLE))
    nodes = [*model.graph.node[:place], *before, changed, *after, *model.graph.node[place + 1 :]]
    copies = [_copy(each) for each in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    return True


def _infos(graph: Any) -> Iterator[Any]:
    yield from graph.value_info
    yield from graph.input
    yield from graph.output


def _copy(node: Any) -> Any:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
