"""An ONNX model opened by ONNX Runtime as soon as it is made, without its weights: which operations does it refuse?

It has an implementation for some types only, and finds mistakes in types and sizes that onnx' own checker passes over.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import onnxruntime

from converter.contract import ConversionFailed
from converter.graph.passes.nodes import graphs, light
from converter.graph.passes.single import in_single
from converter.machine.error_text import first_line

_NODE = re.compile(r"\bnode(?: with name)?:? ?[('\"]([^)'\"]+)[)'\"]|\bNode:(\S+) ", re.IGNORECASE)
_MOST_ROUNDS = 50  # of finding a node that can't compute in float64


def run_through(model: Any, operations: Collection[str], name: str) -> list[str]:
    """Of these names of TensorFlow's operations those that ONNX Runtime can't run, one after the other; or none.

    What it refuses in float64 is changed to compute in float32. ConversionFailed if nobody knows what it means.
    """
    for _ in range(_MOST_ROUNDS):
        refusal = _refusal(light(model))
        if refusal is None:
            return []
        node = _named(model, str(refusal))
        if node is None:
            raise ConversionFailed(f"ONNX Runtime refuses the {name}: {first_line(refusal)}") from refusal
        if not in_single(model, node):
            break
    found = _origin(model.graph, node, operations)
    if found is None:
        raise ConversionFailed(f"ONNX Runtime can't run the operation {node.op_type} ({node.name}) of the {name}")
    return [found]


def _refusal(model: Any) -> Exception | None:
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4  # fatal errors
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no class in common.
    except Exception as error:
        return error
    return None


def _named(model: Any, said: str) -> Any:
    """The node that a refusal names."""
    names = {name for pair in _NODE.findall(said) for name in pair if name}
    return next((node for graph in graphs(model.graph) for node in graph.node if node.name in names), None)


def _origin(graph: Any, node: Any, operations: Collection[str]) -> str | None:
    """The operation of TensorFlow's from which a node was made, told by names: the last of its nodes has its own.

    Where there is none after it, the nearest before it.
    """
    nodes = [each for one in graphs(graph) for each in one.node]
    known = set(operations)
    forwards = _nearest(node, known, lambda each: [one for one in nodes if set(one.input) & set(each.output)])
    return forwards or _nearest(node, known, lambda each: [one for one in nodes if set(one.output) & set(each.input)])


def _nearest(node: Any, known: Collection[str], further: Callable[[Any], list[Any]]) -> str | None:
    """The name of one of these operations that a node has, or the first that has one of those further on."""
    waiting, seen = [node], set[str]()
    while waiting:
        each = waiting.pop(0)
        names = [short for name in (each.name, *each.output) for short in _shorter(name)]
        if found := next((name for name in names if name in known), None):
            return found
        seen.update(each.output)
        waiting += [other for other in further(each) if not seen & set(other.output)]
    return None


def _shorter(name: str) -> Iterator[str]:
    """A name, and what it may have been before tf2onnx or a rewrite added to it."""
    name = name.partition(":")[0]
    while name:
        yield name
        name = name[: max(name.rfind("/"), name.rfind("_"), 0)].rstrip("_")
