"""What a SavedModel's signature takes and gives, and whether it is a detector's. Imports TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.contract import UnusableModel
from converter.description import SERVING, Declared, Description
from converter.machine.error_text import first_line
from converter.model import engines
from converter.model.specs import Spec, describe_signature

__all__ = ["SERVING", "Signature", "load", "others", "read"]

_SERVE = ("serve",)  # the tags of the graph for CPUs and GPUs; beside it one for TPUs may lie
_MANY_GRAPHS = "requires a `tags=` argument"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of a detector: what it takes and gives, and the function to call."""

    description: Description
    function: Any  # the ConcreteFunction
    spec: Any  # the TensorSpec of its input

    @property
    def input_name(self) -> str:
        """The name of its input."""
        return self.description.input.name

    @property
    def weights_bytes(self) -> int:
        """What its variables take: a model may have others that it does not use."""
        variables = self.function.graph.variables
        return sum(int(each.dtype.size * (each.shape.num_elements() or 0)) for each in variables)

    def __call__(self, values: "tf.Tensor") -> Mapping[str, "tf.Tensor"]:
        """Run a batch: JPEG files (N,) or pictures (N, height, width, 3) in, all outputs out."""
        result: Mapping[str, tf.Tensor] = self.function(**{self.input_name: values})
        return result


def load(folder: Path, *, may_have_engines: bool = False, declared: Declared | None = None) -> tuple[Any, Signature]:
    """The loaded model (keep it alive) and its signature; UnusableModel with one sentence if it can't serve.

    A graph with TensorRT engines is a TF-TRT copy, and taken only where one is meant: served as an original it would
    be its own reference, and run without TensorRT where an engine is missing. A copy is read as its source was.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UnusableModel(f"{folder.name} is no SavedModel: it has no saved_model.pb")
    if not may_have_engines and (problem := engines.no_original(folder)):
        raise UnusableModel(problem)
    try:
        known = Description.read(folder)
        model = _loaded(folder)
    # TensorFlow tells a damaged model by whatever its readers raise: protobuf's, the file system's or its own.
    except Exception as error:
        from converter.model import unknown_operations

        said = unknown_operations.problem(folder)
        raise UnusableModel(said or f"TensorFlow can't load {folder.name}: {first_line(error, folder)}") from error
    if known is None:
        return model, read(model, declared)
    found = read(model, Declared(signature=known.signature, input_scale=known.input.scale, input_fit=known.input.fit))
    return model, replace(found, description=known)


def read(model: Any, declared: Declared | None = None) -> Signature:
    """The signature of a loaded model that is to be served, checked tensor by tensor."""
    declared = declared or Declared()
    name = declared.signature or SERVING
    if name not in model.signatures:
        names = ", ".join(sorted(model.signatures)) or "none"
        raise UnusableModel(f"the model has no signature {name!r}; it has: {names}")
    function = model.signatures[name]
    inputs: Mapping[str, tf.TensorSpec] = function.structured_input_signature[1]
    takes, gives = (
        {key: _spec(spec) for key, spec in specs.items()} for specs in (inputs, function.structured_outputs)
    )
    description = describe_signature(takes, gives, declared)
    return Signature(description, function, inputs[description.input.name])


def others(model: Any, served: str = SERVING) -> list[str]:
    """The names of the signatures that are not served: a copy does not have them."""
    return sorted(name for name in model.signatures if name != served)


def _loaded(folder: Path) -> Any:
    try:
        return tf.saved_model.load(str(folder))
    except ValueError as error:
        if _MANY_GRAPHS not in str(error):
            raise
        return tf.saved_model.load(str(folder), tags=list(_SERVE))


def _spec(spec: "tf.TensorSpec") -> Spec:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return Spec(spec.dtype.name, shape, str(spec.shape))
