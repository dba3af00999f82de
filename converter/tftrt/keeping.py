"""Operations kept out of TF-TRT's engines, since on photos their values are too large for FP16, which ends at 65,504.

TensorRT chooses the precision of a layer by itself, and INT8 engines have layers in FP16 too. TF-TRT takes no operation
into an engine that the graph's users fetch: so those are said to be fetched.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.compiler.tensorrt import trt_convert

from converter.half_precision import NEAR

_MOST_TOLD = 10  # operations
_OPENS, _CLOSES = ("Enter", "Switch"), ("Exit", "Merge")  # loops and branches of the old kind


class Converter(trt_convert.TrtGraphConverterV2):  # type: ignore[misc]  # no types
    """A converter that runs the graph on inputs (`on`) before it converts it; without any it is TF-TRT's own."""

    def __init__(self, *, on: Sequence[Any], **parameters: Any) -> None:
        super().__init__(**parameters)
        self._on = on
        self.too_large: dict[str, str] = {}  # operations kept out: their names -> type, place and largest value

    def _run_conversion(self, meta_graph: Any) -> Any:
        if self._on:
            fetched = meta_graph.collection_def["train_op"].node_list.value  # the inputs first, then the outputs
            self.too_large = too_large(meta_graph.graph_def, fetched[0], self._on)
            fetched.extend(self.too_large)
        return super()._run_conversion(meta_graph)


def kept_facts(converter: Converter) -> dict[str, Any]:
    """What a report says of them."""
    told = list(converter.too_large.values())
    return {"too_large_for_fp16": len(told), "kept_in_fp32": told[:_MOST_TOLD]} if told else {}


def too_large(definition: Any, given: str, on: Sequence[Any]) -> dict[str, str]:
    """Of a frozen GraphDef the operations that read or make such values, by their names; `on` is given to a tensor."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
        operations = graph.get_operations()
        tensors = list(_floats(graph, graph.get_tensor_by_name(given)))
        sizes = [tf.reduce_max(tf.abs(each)) for each in tensors]
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0}, allow_soft_placement=True)
    with tf.compat.v1.Session(graph=graph, config=config) as session:
        values = np.array([session.run(sizes, {given: each}) for each in on]).max(axis=0, initial=0.0)
    largest = {each.name: float(value) for each, value in zip(tensors, values, strict=True)}
    return dict(_touching(operations, largest))


def _touching(operations: Sequence[Any], largest: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for operation in operations:
        touched = [largest[each.name] for each in (*operation.inputs, *operation.outputs) if each.name in largest]
        if touched and not all(value <= NEAR for value in touched):  # what is no number is beyond it too
            yield operation.name, f"{operation.type} ({operation.name}): {np.max(touched):.4g}"


def _floats(graph: Any, given: Any) -> Iterator[Any]:
    """The tensors that depend on the input and can be read: what lies in old loops and branches can't."""
    reached = _after([given.op], stop=())
    inside = _after([each for each in reached.values() if each.type in _OPENS], stop=_CLOSES)
    for name in sorted(reached.keys() - inside.keys()):
        yield from (each for each in reached[name].outputs if each.dtype == tf.float32)


def _after(operations: Sequence[Any], *, stop: Sequence[str]) -> dict[str, Any]:
    """These and all that read their results, up to operations of the types that are stopped at; by their names."""
    found = {each.name: each for each in operations}
    waiting = list(operations)
    while waiting:
        readers = [each for tensor in waiting.pop().outputs for each in tensor.consumers() if each.type not in stop]
        new = {each.name: each for each in readers if each.name not in found}
        found |= new
        waiting += new.values()
    return found
