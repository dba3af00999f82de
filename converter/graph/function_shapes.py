"""The shapes that tf2onnx (1.17) believes the arguments of loops and branches to have.

It gives a branch the shapes of its If's inputs, whose first is the condition: each is its neighbour's. It reads
functions in any order, those inside others before anything is known of them. And what a function says of its arguments'
shapes itself, which is often nothing, counts for more.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework.function_def_to_graph import function_def_to_graph
from tf2onnx import tf_loader, tfonnx

_FUNCTIONS = ("then_branch", "else_branch", "body", "cond", "f")
_SHAPES = "_output_shapes"
_BRANCHES, _LOOPS = ("If", "StatelessIf"), ("While", "StatelessWhile")


@contextmanager
def right_shapes() -> Iterator[None]:
    """Have tf2onnx read a graph's functions with the shapes of what they are given."""
    theirs, tfonnx.resolve_functions = tfonnx.resolve_functions, _resolved
    try:
        yield
    finally:
        tfonnx.resolve_functions = theirs


def _resolved(graph: Any) -> list[Any]:
    """The functions that a graph calls, as graphs; those that a function calls come before it."""
    found: dict[str, Any] = {}
    _read_called(graph, graph._functions, found)
    tf_loader._FUNCTIONS.update(found)
    return list(found.values())


def _read_called(graph: Any, library: Mapping[str, Any], found: dict[str, Any]) -> None:
    for operation in graph.get_operations():
        for name in _called(operation):
            if name not in found:
                function = _read(library[name].definition, _given(operation))
                _read_called(function, library, found)
                found[name] = function


def _called(operation: Any) -> list[str]:
    attributes = operation.node_def.attr
    return [attributes[key].func.name for key in _FUNCTIONS if key in attributes and attributes[key].func.name]


def _given(operation: Any) -> list[Any]:
    """The shapes of a function's arguments, as far as its caller knows them: what a loop changes may have others."""
    shapes = [each.shape for each in operation.inputs]
    if operation.type in _LOOPS:
        return [
            later.shape if later.shape.rank is not None else shape
            for shape, later in zip(shapes, operation.outputs, strict=True)
        ]
    return shapes[1:] if operation.type in _BRANCHES else shapes


def _read(definition: Any, shapes: list[Any]) -> Any:
    bare = type(definition)()
    bare.CopyFrom(definition)
    for each in bare.arg_attr.values():  # which would count for more than what is given
        if _SHAPES in each.attr:
            del each.attr[_SHAPES]
    try:
        return function_def_to_graph(bare, input_shapes=shapes)
    except ValueError:  # these shapes are not what it was made for
        return function_def_to_graph(definition)
