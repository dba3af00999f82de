"""Which operations of a SavedModel this TensorFlow doesn't know, and which TensorFlow wrote it. Imports TensorFlow.

Asked only where a model could not be loaded: it reads the whole file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

_MOST_NAMED = 3


def problem(folder: Path) -> str | None:
    """A sentence that names them, and the version that wrote the model; None if all are known."""
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        return None
    unknown = sorted({node.op for node in _nodes(saved) if op_def_registry.get(node.op) is None} - _functions(saved))
    if not unknown:
        return None
    named = ", ".join(unknown[:_MOST_NAMED]) + (
        f" and {len(unknown) - _MOST_NAMED} more" if unknown[_MOST_NAMED:] else ""
    )
    written = _written(saved)
    known = f"operations that TensorFlow {tf.__version__} doesn't know"
    return f"the model has {known}: {named}{written}; export it without them"


def _written(saved: Any) -> str:
    writers = sorted({each.meta_info_def.tensorflow_version for each in saved.meta_graphs} - {""})
    return f" (it was written by TensorFlow {' and '.join(writers)})" if writers else ""


def _functions(saved: Any) -> set[str]:
    """The names of its functions: a node may be a call of one."""
    return {each.signature.name for graph in saved.meta_graphs for each in graph.graph_def.library.function}


def _nodes(saved: Any) -> Iterator[Any]:
    for graph in saved.meta_graphs:
        yield from graph.graph_def.node
        for function in graph.graph_def.library.function:
            yield from function.node_def
