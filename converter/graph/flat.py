"""The serving function as one flat graph: variables are constants, functions are inlined, loops are still loops."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import tensorflow as tf

from converter.contract import ConversionFailed
from converter.graph.freezing import freeze
from converter.graph.scopes import leave_out_waited_for
from converter.graph.weights import Weights
from converter.machine.error_text import first_line
from converter.model.signature import Signature

_PASSED_ON = ("Identity", "StopGradient")


@dataclass(frozen=True)
class Flat:
    """A frozen graph, its one input, of JPEG files or pictures, and the tensors that are the signature's outputs."""

    definition: Any  # GraphDef, with marks in the place of `weights`
    input_name: str  # of the signature
    strings: str  # the operation that is this input
    outputs: Mapping[str, str]  # the signature's names -> tensors, like Identity:0
    pixels: bool = False  # whether its input are pictures
    weights: Weights = field(default_factory=Weights)

    @cached_property
    def graph(self) -> Any:
        """The same as a tf.Graph, whose operations know their neighbours, types and shapes."""
        return import_graph(self.definition)

    @cached_property
    def files(self) -> list[Any]:
        """The tensors that are the JPEG files as they came."""
        found = [self.graph.get_operation_by_name(self.strings).outputs[0]]
        for tensor in found:
            found += [each.outputs[0] for each in tensor.consumers() if each.type in _PASSED_ON]
        return found

    @cached_property
    def count_readers(self) -> list[Any]:
        """The operations that ask only how many files there are; of pictures they ask for sizes too."""
        if self.pixels:
            return []
        return [each for tensor in self.files for each in tensor.consumers() if each.type in ("Shape", "Size")]

    @cached_property
    def functions(self) -> Mapping[str, Any]:
        """The FunctionDefs of its loops and branches, by name."""
        return {each.signature.name: each for each in self.definition.library.function}

    def maker(self, tensor: str) -> str:
        """The name of the operation that makes the tensor of this name."""
        name: str = self.graph.get_tensor_by_name(tensor).op.name
        return name

    def inside(self, operation: Any) -> Iterator[Any]:
        """The NodeDefs in the loops and branches of an operation, and in theirs."""
        yield from _inside(operation.node_def, self.functions)


def flatten(signature: Signature) -> Flat:
    """Freeze and inline a signature's function, and leave out what its outputs only wait for."""
    read = signature.description.outputs.values()
    try:
        frozen = freeze(signature.function, lower_control_flow=False, read=read)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TensorFlow could not freeze the graph: {first_line(error)}") from error
    # Text that nobody reads, like the names of classes, would need a part of TensorFlow's.
    told = {name: each for name, each in frozen.outputs.items() if name in read or each.dtype != tf.string}
    outputs = {name: tensor.name for name, tensor in told.items()}
    definition = frozen.function.graph.as_graph_def()
    leave_out_waited_for(definition, outputs.values())
    pixels = signature.description.input.decoded_here
    strings = frozen.function.inputs[0].op.name
    return Flat(definition, signature.input_name, strings, outputs, pixels, frozen.weights)


def import_graph(definition: Any) -> Any:
    """A GraphDef as a tf.Graph."""
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph


def origin(tensor: Any) -> Any:
    """The tensor that was passed on unchanged to become this one."""
    while tensor.op.type in _PASSED_ON:
        tensor = tensor.op.inputs[0]
    return tensor


def values(prefix: str, tensors: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """A name for each of these tensors, which none of the outputs has."""
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return {tensor: f"{prefix}_{number}" for number, tensor in enumerate(tensors)}


def _inside(node: Any, functions: Mapping[str, Any]) -> Iterator[Any]:
    for value in node.attr.values():
        for function in [value.func, *value.list.func]:
            for each in functions[function.name].node_def if function.name in functions else ():
                yield each
                yield from _inside(each, functions)
