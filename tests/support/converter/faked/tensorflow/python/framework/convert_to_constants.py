"""Freezing."""

from types import SimpleNamespace
from typing import Any

from tensorflow.points import reach


class _FunctionConverterDataInEager:
    def __init__(self, function: Any, lower_control_flow: bool, aggressive_inlining: bool) -> None:
        reach("freeze")


def _replace_variables_by_constants(found: Any) -> tuple[Any, set[int]]:
    library = SimpleNamespace(function=())
    return SimpleNamespace(node=[SimpleNamespace(name="operation", op="NoOp", attr={})] * 883, library=library), set()


def _construct_concrete_function(function: Any, definition: Any, converted: set[int]) -> Any:
    return SimpleNamespace(graph=SimpleNamespace(as_graph_def=lambda: definition))
