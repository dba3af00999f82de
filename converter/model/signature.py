"""What a SavedModel's signature takes and gives, and whether it is a detector's. Imports TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.contract import UnusableModel
from converter.description import JPEG, SERVING, Declared, Description
from converter.machine.error_text import first_line
from converter.model import direct, engines, files, graph_facts
from converter.model.adapting import Needs, adapt
from converter.model.input_specs import picture_name
from converter.model.own_words import with_own_words
from converter.model.spec import Spec, plain
from converter.model.specs import describe_signature, find_head
from converter.model.suppression import Suppression
from converter.outputs import MOST, OVERLAP

__all__ = ["SERVING", "Signature", "load", "others", "read"]

_SERVE = ("serve",)  # the tags of the graph for CPUs and GPUs; beside it one for TPUs may lie
_MANY_GRAPHS = "requires a `tags=` argument"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of a detector: what it takes and gives, and the function to call."""

    description: Description
    function: Any  # the ConcreteFunction
    spec: Any  # the TensorSpec of its input
    source: Any  # the signature's own function, which the other one may call
    own: Any = None  # takes what `function` takes, and gives the signature's own outputs; None: `function` does

    @property
    def input_name(self) -> str:
        """The name of its input."""
        return self.description.input.name

    @property
    def shared(self) -> frozenset[str]:
        """The outputs that a call gives once, such as anchors: they have no side for its pictures."""
        known = self.description
        if known.unbatched:
            return frozenset()
        specs, of_each = self.source.structured_outputs, ([None], [known.input.batch])
        ranked = {plain(name): spec.shape.as_list() for name, spec in specs.items() if spec.shape.rank is not None}
        once = {name for name, sides in ranked.items() if sides[:1] not in of_each}
        return frozenset(once.difference(known.outputs.values()))

    @property
    def weights_bytes(self) -> int:
        """What its variables take: a model may have others that it does not use."""
        variables = self.source.graph.variables
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
    if problem := files.no_savedmodel(folder):
        raise UnusableModel(problem)
    if not may_have_engines and (problem := engines.no_original(folder)):
        raise UnusableModel(problem)
    try:
        known = Description.read(folder)
        model = (direct.load(folder) if known else None) or _loaded(folder)  # originals are run as they came
    # TensorFlow tells a damaged model by whatever its readers raise: protobuf's, the file system's or its own.
    except Exception as error:
        from converter.model import unknown_operations

        said = unknown_operations.problem(folder)
        raise UnusableModel(said or f"TensorFlow can't load {folder.name}: {first_line(error, folder)}") from error
    if known is None:
        return model, read(model, declared, folder)
    found = _as_described(model, known)
    return model, found


def read(model: Any, declared: Declared | None, folder: Path) -> Signature:
    """The signature of a loaded model that is to be served, checked tensor by tensor."""
    declared = with_own_words(declared or Declared(), folder)
    name = declared.signature or SERVING
    function = _named(model, name)
    takes = _specs(function.structured_input_signature[1])
    gives = {plain(key): spec for key, spec in _specs(function.structured_outputs).items()}
    known = graph_facts.defaults(folder, name)
    description = describe_signature(takes, gives, declared, filled=known)
    picture = picture_name(takes, description.input)
    needs = Needs(
        fills={name: known.get(name) for name in takes if name != picture},
        base64=description.input.kind == JPEG and _takes_base64(function, folder, picture),
        end=_suppression(gives, declared),
    )
    adapted = adapt(function, picture, needs)
    return Signature(description, adapted.function, adapted.spec, function, adapted.own)


def _named(model: Any, name: str) -> Any:
    if name in model.signatures:
        return model.signatures[name]
    names = sorted(model.signatures)
    hint = f"; name it by DETECTOR_SIGNATURE={names[0]}" if len(names) == 1 else ""
    more = "; name the one to serve by DETECTOR_SIGNATURE" if len(names) > 1 else ""
    raise UnusableModel(f"the model has no signature {name!r}; it has: {', '.join(names) or 'none'}{hint or more}")


def _suppression(gives: Mapping[str, Spec], declared: Declared) -> Suppression | None:
    """What is done with a network's head; None where the model does it itself."""
    head = find_head(gives, declared)
    if head is None:
        return None
    return Suppression(
        head=head.name,
        objectness=head.objectness,
        order=head.order,
        overlap=declared.nms_iou or OVERLAP,
        most=declared.nms_count or MOST,
    )


def _takes_base64(function: Any, folder: Path, picture: str) -> bool:
    """Whether its strings are JPEG files in base64; UnusableModel if they are no files at all."""
    found = graph_facts.operations(function, folder, (graph_facts.BASE64, *graph_facts.EXAMPLES))
    if not found.isdisjoint(graph_facts.EXAMPLES):
        raise UnusableModel(
            f"the input {picture!r} takes serialized tf.Example messages, which the graph parses, and no JPEG files: "
            "export the model with an input of encoded images"
        )
    return graph_facts.BASE64 in found


def _as_described(model: Any, known: Description) -> Signature:
    """The signature of a copy, which was made of an adapted one."""
    function = _named(model, known.signature)
    spec = function.structured_input_signature[1][known.input.name]
    return Signature(known, function, spec, function)


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


def _specs(tensors: Mapping[str, Any]) -> dict[str, Spec]:
    return {name: _spec(spec) for name, spec in tensors.items()}


def _spec(spec: "tf.TensorSpec") -> Spec:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return Spec(spec.dtype.name, shape, str(spec.shape))
