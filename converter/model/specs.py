"""From the types and shapes in a signature to its description, or a sentence saying what is missing. No TensorFlow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from converter.description import AFTER_NMS, RAW, SERVING, Declared, Description
from converter.model.input_specs import find_input
from converter.model.output_specs import find_outputs
from converter.model.spec import Spec
from converter.outputs import BOXES, CLASSES, COUNT, HEAD, SCORES
from converter.reading import Reading

_COLUMNS = {name: name for name in (BOXES, SCORES, CLASSES, COUNT)}
_FIRST_ORDER = "cxcywh"  # of heads: YOLO's
_OF_EVERY_CLASS = ("detection_multiclass_scores", "raw_detection_scores")  # [N, M, classes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a network says of each place, before NMS."""

    name: str
    objectness: bool  # (N, A, 5 + C), else (N, 4 + C, A)
    order: str


def describe_signature(
    takes: Mapping[str, Spec], gives: Mapping[str, Spec], declared: Declared, *, filled: Collection[str] = ()
) -> Description:
    """The description of a signature; UnusableModel names the tensor that is not a detector's.

    Inputs have their full names, outputs the `plain` ones. `filled` are the inputs that have a value of their own.
    """
    outputs = find_outputs(gives, declared.outputs)
    return Description(
        signature=declared.signature or SERVING,
        input=find_input(takes, declared, filled),
        convention=outputs.convention,
        outputs=_COLUMNS if outputs.convention == RAW else outputs.roles,
        unbatched=outputs.unbatched,
        ignored=tuple(sorted(set(gives) - set(outputs.roles.values()))),
        boxes=_boxes(declared, outputs.convention),
        evidence="declared" if declared.boxes else "",
        score_columns=_score_columns(gives),
    )


def _score_columns(gives: Mapping[str, Spec]) -> int | None:
    """Of how many classes the object detection API's exports give scores, by their shapes."""
    specs = (gives[name] for name in _OF_EVERY_CLASS if name in gives)
    return next((spec.shape[2] for spec in specs if spec.shape is not None and len(spec.shape) == 3), None)


def _boxes(declared: Declared, convention: str) -> str:
    """The reading that is declared; of a head, which it has when NMS has been done."""
    if declared.boxes is None or convention != RAW:
        return declared.boxes or ""
    return str(replace(Reading.parse(declared.boxes), order=AFTER_NMS))


def find_head(gives: Mapping[str, Spec], declared: Declared) -> Head | None:
    """The output of a signature that is a network's head; None if there is none."""
    outputs = find_outputs(gives, declared.outputs)
    if outputs.convention != RAW:
        return None
    name = outputs.roles[HEAD]
    order = Reading.parse(declared.boxes).order if declared.boxes else _FIRST_ORDER
    return Head(name=name, objectness=not _has_places_last(gives[name]), order=order)


def _has_places_last(spec: Spec) -> bool:
    """Whether a head is (N, 4 + C, A): there are more places than numbers of each."""
    _, first, last = spec.shape or (None, None, None)
    return last is None if None in (first, last) else (first or 0) <= (last or 0)
