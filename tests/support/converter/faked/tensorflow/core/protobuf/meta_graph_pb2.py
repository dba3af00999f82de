"""A graph with what is said of it."""

from collections import defaultdict
from typing import Any
from unittest.mock import MagicMock


class MetaGraphDef:
    """Keeps the graph."""

    def __init__(self, graph_def: Any) -> None:
        self.graph_def = graph_def
        self.collection_def: dict[str, Any] = defaultdict(MagicMock)
