"""The graph of a function as every copy needs it: inlined, and with nothing in it that changes as it runs.

What only counts or averages is cut off, and so are outputs that nobody reads and that can't be had otherwise.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework import convert_to_constants as freezing
from tensorflow.python.grappler import tf_optimizer

from converter.contract import UnusableModel
from converter.graph import branches, tables
from converter.graph.carve import constant
from converter.graph.scopes import Scope, scopes
from converter.graph.state import State

_INT32 = tf.int32.as_datatype_enum
_GATHERS = {"ResourceGather": "GatherV2", "ResourceGatherNd": "GatherNd"}


@dataclass(frozen=True, slots=True)
class Settled:
    """A GraphDef whose variables can be made constants."""

    definition: Any
    ends: tuple[str, ...]  # the outputs that it has, tensors: some that nobody reads may be gone


def settle(function: Any, *, lower_control_flow: bool, read: Collection[str]) -> Settled:
    """Settle a ConcreteFunction; UnusableModel if one of its outputs `read` depends on what changes as it runs."""
    definition = function.graph.as_graph_def()
    tables.make_constant(definition, function)
    branches.nest(definition)
    _gather_from_values(definition)
    definition = _inlined(definition, function, lower_control_flow=lower_control_flow)
    state = State(definition, _variables(function))
    ends = [each.name for each in function.outputs]
    if said := state.problem(end for end in ends if end in read):
        raise UnusableModel(f"{said}, and a copy has constants instead: export the model for serving, not for training")
    left = tuple(end for end in ends if end in read or not state.problem([end]))
    state.cut_off(left)
    return Settled(definition, left)


def _variables(function: Any) -> dict[str, str]:
    """The names of a function's variables, by the inputs of its graph that stand for them."""
    names = {id(each.handle): each.name.removesuffix(":0") for each in function.graph.variables}
    return {inner.op.name: names[id(outer)] for outer, inner in function.graph.captures if id(outer) in names}


def _gather_from_values(definition: Any) -> None:
    """Have rows gathered from the values of variables: TensorFlow doesn't freeze it otherwise inside a loop."""
    for scope in scopes(definition):
        for node in [node for node in scope.nodes if node.op in _GATHERS]:
            _gather_from_value(scope, node)


def _gather_from_value(scope: Scope, node: Any) -> None:
    value = scope.nodes.add(name=f"{node.name}/value", op="ReadVariableOp", input=[node.input[0]])
    value.attr["dtype"].CopyFrom(node.attr["dtype"])
    node.input[0] = f"{value.name}:value:0" if scope.name else value.name
    node.attr["Tparams"].CopyFrom(node.attr["dtype"])
    if node.op == "ResourceGather":
        axis = constant(f"{node.name}/axis", np.int32(node.attr["batch_dims"].i))
        scope.nodes.append(axis)
        node.input.insert(2, f"{axis.name}:output:0" if scope.name else axis.name)
        node.attr["Taxis"].type = _INT32
    node.op = _GATHERS[node.op]
    for key in {"dtype", "validate_indices"} & set(node.attr):
        del node.attr[key]


def _inlined(definition: Any, function: Any, *, lower_control_flow: bool) -> Any:
    """A function's GraphDef with the functions that it calls inlined, as TensorFlow does it before it freezes."""
    if lower_control_flow:
        _let_be_inlined(definition, {"api_implements"})
    else:
        definition = freezing.disable_lower_using_switch_merge(definition)
        _let_be_inlined(definition, {"api_implements", "_XlaMustCompile", "_noinline"})
    graph = meta_graph_pb2.MetaGraphDef(graph_def=definition)
    graph.collection_def["train_op"].node_list.value.extend(each.name for each in function.inputs + function.outputs)
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1  # small graphs too
    config.graph_options.rewrite_options.optimizers.append("function")
    return tf_optimizer.OptimizeGraph(config, graph)


def _let_be_inlined(definition: Any, kept_apart: set[str]) -> None:
    """Take the attributes from functions and their callers that would keep them apart."""
    nodes = (node for scope in scopes(definition) for node in scope.nodes)
    for each in (*definition.library.function, *nodes):
        for key in kept_apart & set(each.attr):
            del each.attr[key]
