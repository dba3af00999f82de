"""An operation in float32 between others in float64, for which ONNX Runtime has no implementation of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

from converter.graph.passes.nodes import light


def in_single(model: Any, node: Any) -> bool:
    """Change a node of the model so; False where it has nothing in float64, or lies in a loop or a branch."""
    doubles = _doubles(model) & {*node.input, *node.output}
    places = [place for place, each in enumerate(model.graph.node) if each.name == node.name]
    if not places or not doubles:
        return False
    copies = [_copy(each) for each in model.graph.node]
    copies[places[0] : places[0] + 1] = _between_casts(node, {name: f"{name}/single_{places[0]}" for name in doubles})
    del model.graph.node[:]
    model.graph.node.extend(copies)
    return True


def _between_casts(node: Any, renamed: Mapping[str, str]) -> list[Any]:
    """The node with these tensors in float32, under other names."""
    changed = _copy(node)
    changed.input[:] = [renamed.get(name, name) for name in node.input]
    changed.output[:] = [renamed.get(name, name) for name in node.output]
    before = [_cast(name, renamed[name], TensorProto.FLOAT) for name in sorted(renamed.keys() & {*node.input})]
    after = [_cast(renamed[name], name, TensorProto.DOUBLE) for name in sorted(renamed.keys() & {*node.output})]
    return [*before, changed, *after]


def _doubles(model: Any) -> set[str]:
    """The tensors in float64."""
    typed = onnx.shape_inference.infer_shapes(light(model)).graph
    found = {each.name for each in _infos(typed) if each.type.tensor_type.elem_type == TensorProto.DOUBLE}
    return found | {each.name for each in model.graph.initializer if each.data_type == TensorProto.DOUBLE}


def _cast(given: str, made: str, kind: int) -> Any:
    return helper.make_node("Cast", [given], [made], f"{made}/cast", to=kind)


def _infos(graph: Any) -> Iterator[Any]:
    yield from graph.value_info
    yield from graph.input
    yield from graph.output


def _copy(node: Any) -> Any:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
