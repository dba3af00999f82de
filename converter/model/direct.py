"""A frozen copy loaded without TensorFlow's loader: its one function is registered and called. Imports TensorFlow.

TensorFlow's loader builds each function as a graph again, which holds those it calls: the constants seven times before
anything has run, and more when it does (benchmarks/cpu.md).
"""

import itertools
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2, saved_model_pb2
from tensorflow.python.eager import context, execute

from converter.model import engines

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_NUMBERS = itertools.count()


class DirectFunction:
    """A function that takes one tensor, by its name in the signature, and gives all outputs of the signature by name.

    What TensorFlow's ConcreteFunction has that is asked for; `names` say which of the function's outputs are which.
    """

    def __init__(self, library: Mapping[str, Any], inner: str, signature: Any, names: Mapping[str, int]) -> None:
        self._context, self._names = context.context(), names
        ((name, info),) = signature.inputs.items()
        self.structured_input_signature = ((), {name: _spec(name, info)})
        self.structured_outputs = {name: _spec(name, signature.outputs[name]) for name in names}
        self._called, self._outputs = "", len(library[inner].signature.output_arg)
        suffix = f"_direct_{next(_NUMBERS)}"  # a process may load several, whose functions have the same names
        for each in reversed(list(_reached(library, inner))):
            self._called = _renamed(library[each], library, suffix)
            self._context.add_function_def(library[each])
            weakref.finalize(self, self._context.remove_function, self._called).atexit = False
        self._options = tuple(itertools.chain(*_options().as_attrs().items()))

    def __call__(self, **values: Any) -> dict[str, Any]:
        """Run it."""
        found = execute.execute(self._called, self._outputs, [*values.values()], attrs=self._options, ctx=self._context)
        return {name: found[place] for name, place in self._names.items()}


def load(folder: Path) -> Any | None:
    """What stands for the loaded model, with its `signatures`; None if one is no such function, or needs anything else.

    Tables, variables and engines are made by TensorFlow's loader alone.
    """
    if engines.find(folder).nodes:
        return None
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    if len(saved.meta_graphs) != 1 or saved.meta_graphs[0].asset_file_def:
        return None
    return _loaded(saved.meta_graphs[0])


def _loaded(meta_graph: Any) -> Any | None:
    library = {each.signature.name: each for each in meta_graph.graph_def.library.function}
    names = [name for name in meta_graph.signature_def if not name.startswith("__")]  # which are TensorFlow's own
    if len(names) != 1:
        return None
    signature = meta_graph.signature_def[names[0]]
    ends = {
        name: _end(info.name, _by_name(meta_graph.graph_def.node), library) for name, info in signature.outputs.items()
    }
    inner, places = _common(ends)
    if not inner:
        return None
    context.ensure_initialized()
    return SimpleNamespace(signatures={names[0]: DirectFunction(library, inner, signature, places)})


def _common(ends: Mapping[str, tuple[str, int] | None]) -> tuple[str, dict[str, int]]:
    """The function that all outputs come from, and which of its outputs each one is; no name if there is none."""
    places = {output: end[1] for output, end in sorted(ends.items()) if end}
    inner = {end[0] for end in ends.values() if end}
    return (inner.pop() if len(inner) == 1 and len(places) == len(ends) else ""), places


def _by_name(nodes: Any) -> dict[str, Any]:
    return {node.name: node for node in nodes}


def _end(tensor: str, nodes: Mapping[str, Any], library: Mapping[str, Any]) -> tuple[str, int] | None:
    """The function that makes a tensor, however often it is passed on, and the place among its outputs."""
    found = None
    while (call := _call(tensor, nodes)) is not None:
        name, place = call
        found, function = call, library[name]
        nodes = _by_name(function.node_def)
        tensor = function.ret[function.signature.output_arg[place].name]
    return found


def _call(tensor: str, nodes: Mapping[str, Any]) -> tuple[str, int] | None:
    """The function whose call makes a tensor, if it is called with one tensor that is passed in, and the place."""
    name, _, place = tensor.partition(":")
    node = nodes.get(name)
    if node is not None and node.op == "Identity":
        return _call(node.input[0], nodes)
    if node is None or not _passes_on(node, nodes):
        return None
    return node.attr["f"].func.name, int(place.rpartition(":")[2] or 0)


def _passes_on(node: Any, nodes: Mapping[str, Any]) -> bool:
    """Whether it calls a function with what the signature, or the function that it is in, is given."""
    given = [name.partition(":")[0] for name in node.input if not name.startswith("^")]
    made = [nodes[name].op for name in given if name in nodes]
    return node.op in _CALLS and len(given) == 1 and made in ([], ["Placeholder"])


def _reached(library: Mapping[str, Any], name: str) -> Iterator[str]:
    """The function and those it calls, each once, callers first."""
    reached, left = {name: None}, [name]
    while left:
        for _, called in _called(library[left.pop()]):
            if called in library and called not in reached:
                reached[called] = None
                left.append(called)
    yield from reached


def _called(function: Any) -> Iterator[tuple[Any, str]]:
    for node in function.node_def:
        for value in node.attr.values():
            for each in (value.func, *value.list.func):
                if each.name:
                    yield each, each.name


def _renamed(function: Any, library: Mapping[str, Any], suffix: str) -> str:
    """Name it and what it calls otherwise; its new name."""
    for each, name in list(_called(function)):
        if name in library:
            each.name = name + suffix
    function.signature.name += suffix
    renamed: str = function.signature.name
    return renamed


def _options() -> Any:
    """How TensorFlow optimises the function: as ever, without two steps that hold many copies of its constants.

    One moves tensors from a GPU to the CPU and back if a batch does not fit, the other one rewrites branches.
    """
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.memory_optimization = rewriter_config_pb2.RewriterConfig.NO_MEM_OPT
    config.graph_options.rewrite_options.disable_tfg_optimizer = True
    return context.FunctionCallOptions(config_proto=config)


def _spec(name: str, info: Any) -> Any:
    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)
