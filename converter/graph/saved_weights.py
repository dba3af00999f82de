"""Puts weights into the file of a SavedModel that was saved with marks in their place, without a copy of all of them.

TensorFlow would hold a graph with its weights ten times while it saves it.
"""

from pathlib import Path
from typing import Any

from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2

from converter.graph.weights import Weights, marked
from converter.graph.wire import Pieces, inside

# The numbers of fields in TensorFlow's saved_model.proto, meta_graph.proto, graph.proto, function.proto, node_def.proto
# (a map is a list of keys, 1, with values, 2), attr_value.proto and tensor.proto.
_META_GRAPHS, _GRAPH_DEF, _LIBRARY, _FUNCTION, _NODE_DEF, _ATTR, _TENSOR, _CONTENT = 2, 2, 2, 1, 3, 5, 8, 4
_KEY, _VALUE = 1, 2


def put_in(path: Path, weights: Weights) -> None:
    """Write the file anew, its functions' marks with their weights."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(path.read_bytes())
    (meta_graph,) = saved.meta_graphs
    functions = meta_graph.graph_def.library.function
    places = [place for place, each in enumerate(functions) if any(map(marked, each.node_def))]
    written = [piece for place in places for piece in inside(_function(functions[place], weights), _FUNCTION)]
    for place in reversed(places):
        del functions[place]
    whole = [meta_graph.SerializeToString(), *inside(written, _GRAPH_DEF, _LIBRARY)]
    del saved.meta_graphs[:]
    with path.open("wb") as file:
        file.writelines([saved.SerializeToString(), *inside(whole, _META_GRAPHS)])


def _function(function: Any, weights: Weights) -> Pieces:
    """A FunctionDef with weights in the place of its marks, which come last."""
    nodes = function.node_def
    places = [place for place, node in enumerate(nodes) if marked(node)]
    found = [piece for place in places for piece in inside(_constant(nodes[place], weights), _NODE_DEF)]
    for place in reversed(places):
        del nodes[place]
    return [function.SerializeToString(), *found]


def _constant(mark: Any, weights: Weights) -> Pieces:
    """The NodeDef of the constant that a mark stands for."""
    node = node_def_pb2.NodeDef(name=mark.name, op=mark.op, device=mark.device)
    node.attr["dtype"].CopyFrom(mark.attr["dtype"])
    tensor = type(mark.attr["value"].tensor)()
    tensor.dtype = mark.attr["value"].tensor.dtype
    tensor.tensor_shape.CopyFrom(mark.attr["value"].tensor.tensor_shape)
    name = marked(mark) or ""
    contents = [tensor.SerializeToString(), *inside([weights[name].tobytes()], _CONTENT)]
    entry = [*inside([b"value"], _KEY), *inside(contents, _VALUE, _TENSOR)]
    return [node.SerializeToString(), *inside(entry, _ATTR)]
