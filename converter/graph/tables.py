"""Lookup tables as constants: freezing loses what is in a table, and ONNX has no such thing."""

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.graph.handles import Handles, Use
from converter.graph.scopes import Scope, data_inputs, scopes

_FIND, _SIZE = "LookupTableFindV2", "LookupTableSizeV2"
_RESULTS = {_FIND: "values", _SIZE: "size"}
_MOST_PLACES = 1 << 20  # of a table whose keys are numbers: one for each from the least to the greatest
_MOST_KEYS = 10_000  # of any other: each is compared


def make_constant(definition: Any, function: Any) -> None:
    """Have what a graph looks up in tables found among constants.

    `definition` is the GraphDef of the ConcreteFunction `function`, whose tables are filled. A table that the graph
    changes stays, and one that is too large.
    """
    for use in _asked(definition):
        if found := _instead(function, use):
            definition.library.function.append(found.function_def)
            _call(use.scope, use.node, found)


def _asked(definition: Any) -> list[Use]:
    """The nodes that ask a table which never changes; a branch may be given one of several."""
    uses = [use for use in Handles(scopes(definition)).uses() if use.node.op.startswith("LookupTable")]
    changed = {use.handle for use in uses if use.node.op not in _RESULTS}
    tables = Counter(id(use.node) for use in uses)
    return [use for use in uses if use.handle not in changed and tables[id(use.node)] == 1]


def _instead(function: Any, use: Use) -> Any:
    """The ConcreteFunction that gives what a node gives, without the table; None if there can't be one."""
    captured = {inner.op.name: outer for outer, inner in function.graph.captures}
    try:
        table = captured[use.handle] if use.handle in captured else _opened(function, use.handle)
        find = _sized(table) if use.node.op == _SIZE else _finder(*_contents(table, use.node))
    except (tf.errors.OpError, ValueError, TypeError):  # it has no contents, or is of a kind that doesn't tell them
        return None
    specs = [tf.TensorSpec(None, use.node.attr[name].type) for name in ("Tin", "Tout") if name in use.node.attr]
    return find and tf.function(find, input_signature=specs, autograph=False).get_concrete_function()


def _sized(table: Any) -> Any:
    size = tf.raw_ops.LookupTableSizeV2(table_handle=table).numpy()
    return lambda: tf.constant(size)


def _contents(table: Any, node: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Its keys and its values."""
    kinds = {key: tf.dtypes.as_dtype(node.attr[name].type) for key, name in (("Tkeys", "Tin"), ("Tvalues", "Tout"))}
    found = tf.raw_ops.LookupTableExportV2(table_handle=table, **kinds)
    return found.keys.numpy(), found.values.numpy()


def _opened(function: Any, name: str) -> Any:
    """The table that an operation of the graph opens, as TensorFlow 1 wrote it."""
    operation = function.graph.get_operation_by_name(name)
    given = {key: operation.get_attr(key) for key in ("container", "key_dtype", "value_dtype")}
    return getattr(tf.raw_ops, operation.type)(shared_name=operation.get_attr("shared_name") or name, **given)


def _finder(keys: NDArray[Any], values: NDArray[Any]) -> Any:
    """What finds values by their keys, with a value for other keys; None if that is too much."""
    if (keys.ndim, values.ndim) != (1, 1):
        return None
    if not len(keys):
        return lambda asked, other: tf.broadcast_to(other, tf.shape(asked))
    if keys.dtype.kind in "iu" and np.ptp(keys.astype(object)) < _MOST_PLACES:
        return _Places(keys, values)
    return _Compared(keys, values) if len(keys) <= _MOST_KEYS else None


class _Places:
    """A place for each number from the least key to the greatest."""

    def __init__(self, keys: NDArray[Any], values: NDArray[Any]) -> None:
        self._least, self._values = keys.min(), values
        self._rows = np.full(int(keys.max()) - int(keys.min()) + 1, -1, np.int32)
        self._rows[keys - self._least] = np.arange(len(keys))

    def __call__(self, asked: Any, other: Any) -> Any:
        place = asked - self._least
        inside = (place >= 0) & (place < len(self._rows))
        row = tf.gather(self._rows, tf.where(inside, place, tf.zeros_like(place)))
        return tf.where(inside & (row >= 0), tf.gather(self._values, tf.maximum(row, 0)), other)


class _Compared:
    """Each key is compared."""

    def __init__(self, keys: NDArray[Any], values: NDArray[Any]) -> None:
        self._keys, self._values = keys, values

    def __call__(self, asked: Any, other: Any) -> Any:
        same = tf.equal(asked[..., tf.newaxis], self._keys)
        row = tf.argmax(tf.cast(same, tf.int32), -1, tf.int32)
        return tf.where(tf.reduce_any(same, -1), tf.gather(self._values, row), other)


def _call(scope: Scope, node: Any, function: Any) -> None:
    """Make a node a call of a function, which reads what it read but for the table."""
    old, new = f"{node.name}:{_RESULTS[node.op]}:", f"{node.name}:output:"
    waits = [name for name in node.input if name.startswith("^")]
    node.input[:] = [*data_inputs(node)[1:], *waits]
    node.op = "PartitionedCall"
    node.attr.clear()
    node.attr["Tin"].list.type.extend(each.dtype.as_datatype_enum for each in function.inputs)
    node.attr["Tout"].list.type.extend(each.dtype.as_datatype_enum for each in function.outputs)
    node.attr["f"].func.name = function.function_def.signature.name
    if scope.function:
        _rename(scope, old, new)


def _rename(scope: Scope, old: str, new: str) -> None:
    """Call the outputs of a node in a function otherwise."""
    for node in scope.nodes:
        node.input[:] = [name.replace(old, new, 1) if name.startswith(old) else name for name in node.input]
    for key, name in scope.function.ret.items():
        if name.startswith(old):
            scope.function.ret[key] = name.replace(old, new, 1)
