"""A carved part of the graph as an ONNX model, or the operations for which ONNX has no counterpart."""

import gc
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import onnx
import tensorflow as tf
from onnx import helper
from tensorflow.core.framework import graph_pb2
from tf2onnx import optimizer
from tf2onnx.graph import Node
from tf2onnx.handler import tf_op
from tf2onnx.tfonnx import process_tf_graph

from converter.contract import ConversionFailed
from converter.graph import fault
from converter.graph.arguments import put_constants_inside
from converter.graph.bfloat16 import Widened, in_float32
from converter.graph.carve import Carved
from converter.graph.function_shapes import right_shapes
from converter.graph.mistakes import mistaken
from converter.graph.passes.counters import declare_counters
from converter.graph.passes.faster import make_faster
from converter.graph.passes.nodes import graphs, light
from converter.graph.scopes import keep_free
from converter.graph.substitutes import substitutable, substituted
from converter.graph.trial import run_through
from converter.graph.weights import Contents, fill, marked, pass_by
from converter.machine.error_text import first_line

OPSET = 17
_ALWAYS_KNOWN = ("Const", "Placeholder", "Identity", "NoOp")
# Those of tf2onnx that change something in a detector; each costs a copy of all weights, several times.
_OPTIMISERS = (
    "optimize_transpose",
    "fold_constants",
    "merge_duplication",
    "reshape_optimizer",
    "remove_identity",
    "remove_back_to_back",
)
_LARGE = 16 << 10  # bytes of a constant


class Unconvertible(Exception):
    """ONNX has no counterpart for the operations of these names."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def unknown(node: Any) -> bool:
    """Whether no operation of this kind can be converted."""
    return not substitutable(node.op) and (mistaken(node) or node.op not in _mapped())


def convert(part: Carved, name: str) -> Any:
    """The part as an ONNX ModelProto; Unconvertible names the operations at fault."""
    definition = substituted(in_float32(part.definition))
    _refuse([node.name for node in _all_nodes(definition) if mistaken(node)])
    unconverted: list[str] = []
    with _listening(unconverted), _without_copies():
        try:
            model = _converted(part, definition, name)
        # tf2onnx, and the optimisers that it calls, raise whatever they come across.
        except Exception as error:
            _refuse(unconverted or list(filter(None, [fault.operation(error)])), error)
            raise ConversionFailed(f"tf2onnx could not convert the {name}: {first_line(error)}") from error
    _refuse(unconverted)
    _name_resizes_as_onnx_does(model)
    declare_counters(model)
    make_faster(model)
    _check(model, name)
    _refuse(run_through(model, [node.name for node in _all_nodes(part.definition)], name))
    return model


def _refuse(names: list[str], cause: Exception | None = None) -> None:
    if names:
        raise Unconvertible(names) from cause


def _converted(part: Carved, definition: Any, name: str) -> Any:
    """What tf2onnx.convert.from_graph_def does, without freezing again and without a copy before each optimiser."""
    try:
        found = _optimised(part, definition, _OPTIMISERS)
    # It breaks off where a shape inside a loop is not what it takes it for, and leaves a graph that is half changed.
    except (IndexError, ValueError, AssertionError):
        found = _optimised(part, definition, [each for each in _OPTIMISERS if each != "optimize_transpose"])
    taken = dict(_taken_out(found))
    model = found.make_model(name)
    del found
    gc.collect()  # tf2onnx' nodes and graphs hold each other, and the weights
    for tensor in (each for graph in graphs(model.graph) for each in graph.initializer):
        if tensor.name in taken:
            tensor.raw_data = taken.pop(tensor.name)
    return model


def _optimised(part: Carved, definition: Any, optimisers: Sequence[str]) -> Any:
    """The part as tf2onnx' own graph."""
    renamed = {tensor: value for value, tensor in (*part.feeds.items(), *part.fetches.items())}
    definition, weights = _readable(part, definition)
    with tf.device("/CPU:0"), tf.Graph().as_default() as graph, right_shapes():
        tf.import_graph_def(definition, name="")
        found = process_tf_graph(
            graph,
            continue_on_error=True,
            opset=OPSET,
            input_names=list(part.feeds.values()),
            output_names=list(part.fetches.values()),
            tensors_to_rename=renamed,
            const_node_values=weights,
        )
    known = optimizer._get_optimizers()
    return optimizer.optimize_graph(found, catch_errors=False, optimizers={each: known[each] for each in optimisers})


def _readable(part: Carved, given: Any) -> tuple[Any, Mapping[str, bytes]]:
    """A part's GraphDef as tf2onnx takes it, and the contents of its weights, by their nodes."""
    definition = graph_pb2.GraphDef()
    definition.CopyFrom(given)
    keep_free(definition, (*part.feeds, *part.fetches))
    pass_by(definition, [tensor.partition(":")[0] for tensor in part.fetches.values()])
    put_constants_inside(definition)
    functions = [node for function in definition.library.function for node in function.node_def]
    inside = {node.name for node in functions}
    weights, names = Widened(part.weights), _marks(functions)
    for node in definition.node:
        if name := marked(node):
            if node.name in inside:  # tf2onnx would take the other for this one
                fill(node, weights[name])
            else:
                names[node.name] = name
    return definition, Contents(weights, names)


def _marks(nodes: Iterable[Any]) -> dict[str, str]:
    """The weights that marks among these nodes stand for, by the marks."""
    return {node.name: name for node in nodes if (name := marked(node))}


def _taken_out(graph: Any) -> Iterator[tuple[str, bytes]]:
    """The contents of tf2onnx' large constants, by their tensors: making a model would copy them three times."""
    for node in graph.get_nodes():
        for body in (node.get_body_graphs() or {}).values():
            yield from _taken_out(body)
        if node.is_const() and len(node.attr["value"].t.raw_data) >= _LARGE:
            tensor = node.attr["value"].t
            yield node.output[0], tensor.raw_data
            empty = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            node.set_attr_onnx(helper.make_attribute("value", empty))


def _all_nodes(definition: Any) -> Iterator[Any]:
    """The NodeDefs of a part, and those in its loops and branches."""
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _check(model: Any, name: str) -> None:
    left = sorted({node.op_type for node in model.graph.node if not _known(node)})
    if left:
        raise ConversionFailed(f"tf2onnx left operations in the {name} that ONNX doesn't have: {', '.join(left)}")
    try:
        onnx.checker.check_model(light(model))
    except onnx.checker.ValidationError as error:
        raise ConversionFailed(f"tf2onnx made no valid {name}: {first_line(error)}") from error


def _known(node: Any) -> bool:
    return bool(onnx.defs.has(node.op_type, node.domain))


def _mapped() -> Any:
    return {*tf_op.create_mapping(OPSET, []), *_ALWAYS_KNOWN}


def _name_resizes_as_onnx_does(model: Any) -> None:
    """tf2onnx's `tf_half_pixel_for_nn`, which ONNX gave up, is floor((x + ½) · scale): half_pixel, rounded."""
    for node in (each for graph in graphs(model.graph) for each in graph.node):
        modes = {each.name: each for each in node.attribute}
        if node.op_type == "Resize" and modes["coordinate_transformation_mode"].s == b"tf_half_pixel_for_nn":
            modes["coordinate_transformation_mode"].s = b"half_pixel"
            modes["nearest_mode"].s = b"round_prefer_ceil"


@contextmanager
def _without_copies() -> Iterator[None]:
    """Have tf2onnx leave the protobufs of constants alone: it would write each anew after every optimiser.

    Protobuf gives nothing back of what a message held before, so that was a copy of all weights each time.
    """
    update = Node.update_proto

    def spare(node: Any, *args: Any, **options: Any) -> None:
        if not node.is_const():
            update(node, *args, **options)

    Node.update_proto = spare
    try:
        yield
    finally:
        Node.update_proto = update


class _Listener(logging.Handler):
    """Hears which operations tf2onnx names as not converted: it goes on without them and only writes it to its log."""

    def __init__(self, unconverted: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._unconverted = unconverted

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith(("Tensorflow op", "Failed to convert node")) and isinstance(record.args, tuple):
            self._unconverted.append(str(record.args[0]))


@contextmanager
def _listening(unconverted: list[str]) -> Iterator[None]:
    logger, listener = logging.getLogger("tf2onnx"), _Listener(unconverted)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagated
