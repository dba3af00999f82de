"""What a SavedModel's graph says of a signature's inputs beyond types and shapes. Imports TensorFlow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

BASE64 = "DecodeBase64"
EXAMPLES = ("ParseExample", "ParseExampleV2", "ParseSingleExample")


def defaults(folder: Path, signature: str) -> dict[str, Any]:
    """The values that inputs have by themselves, by their names: those with a default, as TensorFlow 1 wrote them."""
    content = (folder / "saved_model.pb").read_bytes()
    if b"PlaceholderWithDefault" not in content:
        return {}
    from tensorflow.core.protobuf import saved_model_pb2

    graphs = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return {name: value for graph in graphs for name, value in _defaults(graph, signature)}


def _defaults(graph: Any, signature: str) -> Iterator[tuple[str, Any]]:
    nodes = {node.name: node for node in graph.graph_def.node}
    for name, info in graph.signature_def[signature].inputs.items():
        node = nodes.get(info.name.partition(":")[0])
        if node is not None and node.op == "PlaceholderWithDefault":
            default = nodes[node.input[0].partition(":")[0]]
            if default.op == "Const":
                yield name, tf.make_ndarray(default.attr["value"].tensor)


def operations(function: Any, folder: Path, wanted: tuple[str, ...]) -> frozenset[str]:
    """Which of these types of operations a function has, or calls; its file is looked at first, as that costs less."""
    content = (folder / "saved_model.pb").read_bytes()
    if not any(each.encode() in content for each in wanted):
        return frozenset()
    return frozenset(wanted).intersection(_types(function.graph.as_graph_def()))


def _types(definition: Any) -> Iterator[str]:
    yield from (node.op for node in definition.node)
    for function in definition.library.function:
        yield from (node.op for node in function.node_def)
