"""The loop over the JPEG files that `tf.map_fn` makes: what it does with one decoded picture, as a graph."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

from converter.graph.carve import Carved, Source, carve
from converter.graph.flat import Flat, import_graph, origin, values
from converter.graph.weights import copied
from converter.model.onnx_layout import Decode

PIXELS = "pixels"
_DECODERS = ("DecodeJpeg", "DecodeImage", "DecodeAndCropJpeg", "DecodePng", "DecodeGif", "DecodeBmp", "DecodeWebP")
_COMPARES = {"Less", "LogicalAnd", "Identity", "Const", "Placeholder"}


class Uncut(Exception):
    """The graph can't be cut at its decoder; the message is the reason, half a sentence."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a loop does with one picture."""

    decode: Decode
    graph: Carved  # reads PIXELS
    stacked: Mapping[str, str]  # tensors of the flat graph, of all pictures -> values that the graph writes


@dataclass(frozen=True, slots=True)
class _Loop:
    """A while loop, its body as a graph, and what its variables are: one after the other, inside and outside."""

    operation: Any
    body: Any  # tf.Graph
    given: list[Any]  # the body's inputs, tensors
    left: list[Any]  # its outputs, tensors

    def variable(self, tensor: Any) -> int | None:
        """Which of the loop's variables, as the body gets it, a tensor of the body is."""
        names = [each.name for each in self.given]
        return names.index(origin(tensor).name) if origin(tensor).name in names else None

    def stays(self, number: int) -> bool:
        """Whether a variable is never changed."""
        return self.variable(self.left[number]) == number

    def counts(self, number: int) -> bool:
        """Whether a variable goes 0, 1, 2, …"""
        first, then = origin(self.operation.inputs[number]), origin(self.left[number])
        if _value(first) != 0 or then.op.type not in ("AddV2", "Add"):
            return False
        return self.variable(then.op.inputs[0]) == number and _value(then.op.inputs[1]) == 1


def pictures(flat: Flat) -> Pictures:
    """The loop in which the graph decodes, cut at the decoder's output; Uncut if it isn't of that kind."""
    loop = _loop(flat, _decoding(flat))
    decoder = next(each for each in loop.body.get_operations() if each.type == "DecodeJpeg")
    index = _picture_number(flat, loop, decoder)
    _check_ends(flat, loop)
    written = dict(_written(loop, index))
    names = values("picture", list(written), flat.outputs)
    try:
        graph = carve(
            Source(loop.body, flat.functions, flat.weights),
            {decoder.outputs[0].name: PIXELS},
            {names[tensor]: inner.name for tensor, inner in written.items()},
            instead=dict(_constants(loop)),
        )
    except ValueError as error:
        raise Uncut(str(error)) from error
    _check_depends(graph)
    return Pictures(_attributes(decoder), graph, names)


def decoders(flat: Flat) -> list[str]:
    """The types of all operations that decode pictures."""
    nodes = [each for operation in flat.graph.get_operations() for each in flat.inside(operation)]
    types = [operation.type for operation in flat.graph.get_operations()] + [node.op for node in nodes]
    return [kind for kind in types if kind in _DECODERS]


def _decoding(flat: Flat) -> Any:
    """The while loop with the only decoder."""
    _check_decoders(decoders(flat))
    for operation in flat.graph.get_operations():
        if any(node.op == "DecodeJpeg" for node in flat.inside(operation)):
            if operation.type not in ("While", "StatelessWhile"):
                raise Uncut(f"its pictures are decoded in a branch ({operation.type})")
            return operation
    raise Uncut("its pictures are decoded outside of any loop that tf.map_fn makes today")


def _check_decoders(kinds: Sequence[str]) -> None:
    if len(kinds) != 1:
        raise Uncut(f"it has {len(kinds)} operations that decode pictures")
    if kinds[0] != "DecodeJpeg":
        raise Uncut(f"its pictures are decoded by {kinds[0]}")


def _loop(flat: Flat, operation: Any) -> _Loop:
    function = flat.functions[operation.get_attr("body").name]
    if all(node.op != "DecodeJpeg" for node in function.node_def):
        raise Uncut("its pictures are decoded in a branch inside the loop")
    with flat.graph.as_default():
        definition, flat_names = function_def_to_graph_def(function)
    definition.library.CopyFrom(flat.definition.library)
    body = import_graph(definition)
    given = [body.get_tensor_by_name(f"{each.name}:0") for each in function.signature.input_arg]
    left = [body.get_tensor_by_name(flat_names[function.ret[each.name]]) for each in function.signature.output_arg]
    return _Loop(operation, body, given, left)


def _picture_number(flat: Flat, loop: _Loop, decoder: Any) -> int:
    """The variable that is the picture's number, if each round decodes one of the files, in order."""
    item = origin(decoder.inputs[0])
    if item.op.type != "TensorListGetItem":
        raise Uncut("its decoder reads something else than the files as they came")
    files, index = loop.variable(item.op.inputs[0]), loop.variable(item.op.inputs[1])
    if files is None or index is None or not loop.stays(files) or not loop.counts(index):
        raise Uncut("its loop doesn't go through the files one after the other")
    _check_only_decoded(item)
    _check_list_of_files(flat, origin(loop.operation.inputs[files]).op)
    return index


def _check_only_decoded(item: Any) -> None:
    if any(each.type not in ("DecodeJpeg", "Identity") for each in _consumers(item)):
        raise Uncut("its loop reads the files in other ways too")


def _check_list_of_files(flat: Flat, listing: Any) -> None:
    """The operation that makes the list which the loop goes through reads the files as they came."""
    if listing.type != "TensorListFromTensor" or listing.inputs[0].name not in [each.name for each in flat.files]:
        raise Uncut("its loop goes through something else than the files as they came")
    _check_other_readers(flat, listing)


def _check_other_readers(flat: Flat, listing: Any) -> None:
    """Only the loop reads the files, and what asks how many there are."""
    readers = {each.name for tensor in flat.files for each in tensor.consumers()}
    expected = {listing.name, *(each.name for each in flat.count_readers), *(each.op.name for each in flat.files)}
    if readers - expected:
        raise Uncut(f"other operations read the files too: {', '.join(sorted(readers - expected))}")


def _check_ends(flat: Flat, loop: _Loop) -> None:
    condition = flat.functions[loop.operation.get_attr("cond").name]
    if any(node.op not in _COMPARES for node in condition.node_def):
        raise Uncut("its loop may end before all files were read")


def _written(loop: _Loop, index: int) -> Iterator[tuple[str, Any]]:
    """What the graph makes of all that the loop writes, and what it writes in one round."""
    for number, output in enumerate(loop.operation.outputs):
        if stacks := list(_consumers(output)):
            value = _value_of_round(loop, number, index)
            if any(each.type != "TensorListStack" for each in stacks):
                raise Uncut("the values of its loop are not simply stacked")
            yield from ((each.outputs[0].name, value) for each in stacks)


def _value_of_round(loop: _Loop, number: int, index: int) -> Any:
    """The value that each round writes into the list that is this variable, at the picture's number."""
    write = origin(loop.left[number]).op
    if write.type != "TensorListSetItem" or loop.variable(write.inputs[0]) != number:
        raise Uncut("its loop hands on something else than a value for each picture")
    if loop.variable(write.inputs[1]) != index:
        raise Uncut("its loop writes in another order than it reads")
    return write.inputs[2]


def _constants(loop: _Loop) -> Iterator[tuple[str, list[Any]]]:
    """The body's inputs that are the same constant in every round."""
    for number, (outer, given) in enumerate(zip(loop.operation.inputs, loop.given, strict=True)):
        value = origin(outer).op
        if loop.stays(number) and value.type == "Const" and outer.dtype != tf.variant:
            yield given.op.name, [copied(value.node_def, given.op.name)]


def _check_depends(graph: Carved) -> None:
    fed = {tensor.partition(":")[0] for tensor in graph.feeds.values()}
    strange = [node.name for node in graph.definition.node if node.op == "Placeholder" and node.name not in fed]
    if strange:
        raise Uncut("what its loop does with a picture depends on more than the picture")


def _attributes(decoder: Any) -> Decode:
    read = decoder.get_attr
    return Decode(
        channels=read("channels"),
        ratio=read("ratio"),
        fancy_upscaling=read("fancy_upscaling"),
        try_recover_truncated=read("try_recover_truncated"),
        acceptable_fraction=read("acceptable_fraction"),
        dct_method=read("dct_method").decode(),
    )


def _consumers(tensor: Any) -> Iterator[Any]:
    """The operations that read a tensor, or one that it is passed on as."""
    for each in tensor.consumers():
        if each.type == "Identity":
            yield from _consumers(each.outputs[0])
        else:
            yield each


def _value(tensor: Any) -> Any:
    """The scalar that a constant is; None for anything else."""
    made = origin(tensor).op
    value = tf.make_ndarray(made.get_attr("value")) if made.type == "Const" else None
    return None if value is None or value.ndim else value.item()
