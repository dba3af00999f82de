"""Operations that tf2onnx (1.17) lacks, gets wrong or makes too narrowly, written with others that it gets right.

Each rewrite takes one NodeDef of a graph, or of the body of a loop or branch, and adds those in its place.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from converter.graph.flat import import_graph
from converter.graph.nodedefs import Builder, constants
from converter.graph.quantised import dequantised, rounded

_MOST_KERNEL_BYTES = 16 << 20
_FLOATS = frozenset({tf.float16.as_datatype_enum, tf.float32.as_datatype_enum, tf.float64.as_datatype_enum})
_NARROW = frozenset(each.as_datatype_enum for each in (tf.int8, tf.int16, tf.uint8, tf.uint16))  # ONNX divides none
_BY_SHAPE = ("ExtractImagePatches",)
_FROM_INTEGERS = ("ResizeBilinear", "ResizeBicubic")  # their results are float32, whatever they read

Rewrite = Callable[[Any, Builder], bool]  # False: the node stays as it is


def substituted(definition: Any) -> Any:
    """The same GraphDef with other operations in the place of those."""
    changed = type(definition)()
    changed.CopyFrom(definition)
    shapes = _shapes(definition)
    _substitute(changed.node, lambda node, known: Builder(node, known, inside=False, shape=shapes.get(node.name)), {})
    for function in changed.library.function:
        _substitute(function.node_def, lambda node, known: Builder(node, known, inside=True), function.ret)
    return changed


def substitutable(kind: str) -> bool:
    """Whether some operations of a type are written with others."""
    return kind in _REWRITES


def _shapes(definition: Any) -> dict[str, Any]:
    """Of what the operations read first whose rewrites ask for it."""
    names = [node.name for node in definition.node if node.op in _BY_SHAPE]
    graph = import_graph(definition) if names else None
    return {name: graph.get_operation_by_name(name).inputs[0].shape for name in names} if graph else {}


def _substitute(nodes: Any, builder: Callable[[Any, Any], Builder], results: Any) -> None:
    """In one graph or function; `results` are the names of what a function returns."""
    chosen = [each for each in nodes if each.op in _REWRITES]
    known = constants(nodes, inside=bool(results)) if chosen else {}
    for node in chosen:
        add = builder(node, known)
        if _REWRITES[node.op](node, add):
            renamed = add.renamed()
            nodes.remove(node)
            nodes.extend(add.nodes)
            _rename(nodes, results, renamed)


def _rename(nodes: Any, results: Any, renamed: tuple[str, str] | None) -> None:
    """Have all that read a node's result call it by its new name, where a function's nodes do."""
    if renamed is None:
        return
    before, after = renamed
    for node in nodes:
        node.input[:] = [after if name == before else name for name in node.input]
    for name in results:
        if results[name] == before:
            results[name] = after


def _floor_div(node: Any, add: Builder) -> bool:
    """ONNX divides whole numbers towards zero."""
    if node.attr["T"].type in _FLOATS:
        return False
    quotient, _, less = _divided(node, add)
    _give_back(node, add, "Sub", quotient, less)
    return True


def _floor_mod(node: Any, add: Builder) -> bool:
    if node.attr["T"].type in _FLOATS:
        return False
    _, rest, less = _divided(node, add)
    _, y = _operands(node, add)
    _give_back(node, add, "AddV2", rest, add("Mul", less, y, T=_wide(node)))
    return True


def _truncate_mod(node: Any, add: Builder) -> bool:
    if node.attr["T"].type in _FLOATS:
        return False
    x, y = _operands(node, add)
    quotient = add("TruncateDiv", x, y, T=_wide(node))
    _give_back(node, add, "Sub", x, add("Mul", quotient, y, T=_wide(node)))
    return True


def _truncate_div(node: Any, add: Builder) -> bool:
    if node.attr["T"].type not in _NARROW:
        return False
    x, y = _operands(node, add)
    _give_back(node, add, "TruncateDiv", x, y)
    return True


def _divided(node: Any, add: Builder) -> tuple[str, str, str]:
    """Quotient and rest towards zero, and 1 where the quotient towards minus infinity is less by one."""
    kind = _wide(node)
    x, y = _operands(node, add)
    zero = add.constant(0, kind)
    quotient = add("TruncateDiv", x, y, T=kind)
    rest = add("Sub", x, add("Mul", quotient, y, T=kind), T=kind)
    signs = add("NotEqual", add("Less", rest, zero, T=kind), add("Less", y, zero, T=kind), T=tf.bool)
    less = add("LogicalAnd", add("NotEqual", rest, zero, T=kind), signs)
    return quotient, rest, add("Cast", less, SrcT=tf.bool, DstT=kind)


def _wide(node: Any) -> Any:
    kind = node.attr["T"].type
    return tf.int32 if kind in _NARROW else tf.dtypes.as_dtype(kind)


def _operands(node: Any, add: Builder) -> list[str]:
    given = tf.dtypes.as_dtype(node.attr["T"].type)
    if given == _wide(node):
        return list(node.input[:2])
    return [add("Cast", each, SrcT=given, DstT=tf.int32) for each in node.input[:2]]


def _give_back(node: Any, add: Builder, kind: str, *inputs: str) -> None:
    """The last operation, with the result's own type."""
    given, wide = tf.dtypes.as_dtype(node.attr["T"].type), _wide(node)
    if given == wide:
        add.last(kind, *inputs, T=wide)
    else:
        add.last("Cast", add(kind, *inputs, T=wide), SrcT=wide, DstT=given)


def _cast_first(node: Any, add: Builder) -> bool:
    """tf2onnx would round what it makes of a picture of whole numbers to such again."""
    given = tf.dtypes.as_dtype(node.attr["T"].type)
    if given == tf.float32:
        return False
    floats = add("Cast", node.input[0], SrcT=given, DstT=tf.float32)
    add.again(floats, *node.input[1:], T=tf.float32)
    return True


def _patches(node: Any, add: Builder) -> bool:
    """Patches are what a convolution makes whose kernels have a single 1 each."""
    kind = tf.dtypes.as_dtype(node.attr["T"].type)
    kernel = _ones(node, add)
    if kernel is None or kind not in (tf.float32, tf.uint8):
        return False
    told = {
        "T": tf.float32,
        "strides": list(node.attr["strides"].list.i),
        "dilations": list(node.attr["rates"].list.i),
        "padding": node.attr["padding"].s,
        "data_format": b"NHWC",
    }
    if kind == tf.float32:
        add.last("Conv2D", node.input[0], kernel, **told)
    else:
        floats = add("Cast", node.input[0], SrcT=kind, DstT=tf.float32)
        add.last("Cast", add("Conv2D", floats, kernel, **told), SrcT=tf.float32, DstT=kind)
    return True


def _ones(node: Any, add: Builder) -> str | None:
    """The kernels, one for each value of a patch; None if the number of channels isn't known, or is too large."""
    channels: int = (add.shape[-1] if add.shape is not None and add.shape.rank == 4 else None) or 0
    _, height, width, _ = node.attr["ksizes"].list.i
    count = height * width * channels
    if not count or count * count * 4 > _MOST_KERNEL_BYTES:
        return None
    return add.constant(np.eye(count, dtype=np.float32).reshape(height, width, channels, count))


_REWRITES: Mapping[str, Rewrite] = {
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "TruncateMod": _truncate_mod,
    "TruncateDiv": _truncate_div,
    "ExtractImagePatches": _patches,
    "FakeQuantWithMinMaxArgs": rounded,
    "FakeQuantWithMinMaxVars": rounded,
    "FakeQuantWithMinMaxVarsPerChannel": rounded,
    "QuantizeAndDequantizeV2": dequantised,
    "QuantizeAndDequantizeV4": dequantised,
    **dict.fromkeys(_FROM_INTEGERS, _cast_first),
}
