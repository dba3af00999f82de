"""Freezing."""

from types import SimpleNamespace
from typing import Any

from tensorflow.points import reach


def convert_variables_to_constants_v2(function: Any) -> Any:
    reach("freeze")
    graph = SimpleNamespace(node=["operation"] * 883)
    return SimpleNamespace(graph=SimpleNamespace(as_graph_def=lambda: graph))
