"""Loops whose rounds and conditions are told to be single numbers: ONNX Runtime runs no loop without that."""

from typing import Any

from converter.graph.passes.nodes import attribute, graphs


def declare_counters(model: Any) -> None:
    """Say so where tf2onnx left it out, as it does of a loop in a loop."""
    for node in [each for graph in graphs(model.graph) for each in graph.node if each.op_type == "Loop"]:
        for given in attribute(node, "body").input[:2]:
            given.type.tensor_type.shape.SetInParent()
