"""The serving function as one flat graph: variables are constants, functions are inlined, loops are still loops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import tensorflow as tf

from converter.contract import ConversionFailed, UnusableModel
from converter.graph.weights import Weights, freeze
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
    """Freeze and inline a signature's function."""
    try:
        frozen, weights = freeze(signature.function, lower_control_flow=False)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ConversionFailed(f"TensorFlow could not freeze the graph: {first_line(error)}") from error
    if len(frozen.inputs) != 1:
        raise UnusableModel("the graph holds tables or other resources, which a copy can't carry")
    names = sorted(signature.function.structured_outputs)
    outputs = {name: tensor.name for name, tensor in zip(names, frozen.outputs, strict=True)}
    pixels = signature.description.input.decoded_here
    strings = frozen.inputs[0].op.name
    return Flat(frozen.graph.as_graph_def(), signature.input_name, strings, outputs, pixels, weights)


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


def _inside(node: Any, functions: Mapping[str, Any]) -> Iterator[Any]:
    for value in node.attr.values():
        for function in [value.func, *value.list.func]:
            for each in functions[function.name].node_def if function.name in functions else ():
                yield each
                yield from _inside(each, functions)
