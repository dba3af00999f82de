"""What a SavedModel's signature takes and gives, and whether it is a detector's. Imports TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter import engines
from converter.contract import UnusableModel
from converter.detections import BOXES, CLASSES, COUNT, SCORES

SERVING = "serving_default"
OUTPUTS = (BOXES, SCORES, CLASSES, COUNT)
# How every error from inside a graph begins (TensorFlow 2.14).
_SAY_NOTHING = ("Graph execution error:", "Detected at node ", "<stack traces unavailable>")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that takes JPEG files as strings (N,) and gives the object detection API's four tensors."""

    input_name: str
    function: Any  # the ConcreteFunction

    def __call__(self, jpegs: "tf.Tensor") -> Mapping[str, "tf.Tensor"]:
        """Run a batch: strings (N,) in, the tensors of OUTPUTS out."""
        result: Mapping[str, tf.Tensor] = self.function(**{self.input_name: jpegs})
        return result


def load(folder: Path, *, may_have_engines: bool = False) -> tuple[Any, Signature]:
    """The loaded model (keep it alive) and its signature; UnusableModel with one sentence if it can't serve.

    A graph with TensorRT engines is a TF-TRT copy, and taken only where one is meant: served as an original it would
    be its own reference, and run without TensorRT where an engine is missing.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UnusableModel(f"{folder.name} is no SavedModel: it has no saved_model.pb")
    if not may_have_engines and (problem := engines.no_original(folder)):
        raise UnusableModel(problem)
    try:
        model = tf.saved_model.load(str(folder))
    # TensorFlow tells a damaged model by whatever its readers raise: protobuf's, the file system's or its own.
    except Exception as error:
        raise UnusableModel(f"TensorFlow can't load {folder.name}: {first_line(error)}") from error
    return model, read(model)


def read(model: Any) -> Signature:
    """The serving signature of a loaded model, checked tensor by tensor."""
    names = ", ".join(sorted(model.signatures)) or "none"
    if SERVING not in model.signatures:
        raise UnusableModel(f"the model has no signature {SERVING!r}; it has: {names}")
    function = model.signatures[SERVING]
    inputs: Mapping[str, tf.TensorSpec] = function.structured_input_signature[1]
    _check_outputs(function.structured_outputs)
    return Signature(input_name=_only_input(inputs), function=function)


def others(model: Any) -> list[str]:
    """The names of the signatures that are not served: a copy does not have them."""
    return sorted(name for name in model.signatures if name != SERVING)


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, cut to 300 characters: TensorFlow's go on for pages."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line[:300] for line in lines if line and not line.startswith(_SAY_NOTHING)), type(error).__name__)


def _only_input(inputs: Mapping[str, "tf.TensorSpec"]) -> str:
    if len(inputs) != 1:
        raise UnusableModel(f"the signature takes {len(inputs)} inputs ({', '.join(sorted(inputs))}), not one")
    name, spec = next(iter(inputs.items()))
    if spec.dtype != tf.string or spec.shape.rank not in (None, 1):
        raise UnusableModel(
            f"the input {name!r} is {spec.dtype.name} {spec.shape}; JPEG files as strings of shape (N,) are needed"
        )
    return name


def _check_outputs(outputs: Mapping[str, "tf.TensorSpec"]) -> None:
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        raise UnusableModel(
            f"the signature lacks the output {', '.join(map(repr, missing))}; it gives: {', '.join(sorted(outputs))}"
        )
    ranks = {BOXES: 3, SCORES: 2, CLASSES: 2, COUNT: 1}
    for name, rank in ranks.items():
        shape = outputs[name].shape
        if shape.rank not in (None, rank) or (name == BOXES and shape.rank and shape[-1] not in (None, 4)):
            raise UnusableModel(f"the output {name!r} has the shape {shape}, which is not a detector's")
