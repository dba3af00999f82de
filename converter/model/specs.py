"""From the types and shapes in a signature to its description, or a sentence saying what is missing. No TensorFlow."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from converter.description import AFTER_NMS, RAW, SERVING, Declared, Description
from converter.model.input_specs import find_input
from converter.model.output_specs import find_outputs
from converter.model.spec import Spec, plain
from converter.outputs import BOXES, CLASSES, COUNT, HEAD, SCORES
from converter.reading import Reading

_COLUMNS = {name: name for name in (BOXES, SCORES, CLASSES, COUNT)}
_FIRST_ORDER = "cxcywh"  # of heads: YOLO's


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

    `filled` are the inputs that have a value of their own.
    """
    outputs = find_outputs(gives, declared.outputs)
    head = outputs.convention == RAW
    boxes = Reading.parse(declared.boxes) if declared.boxes else None
    if head and boxes:
        boxes = replace(boxes, order=AFTER_NMS)
    return Description(
        signature=declared.signature or SERVING,
        input=find_input(takes, declared, filled),
        convention=outputs.convention,
        outputs=_COLUMNS if head else {role: plain(name) for role, name in outputs.roles.items()},
        unbatched=outputs.unbatched,
        ignored=tuple(sorted(plain(name) for name in set(gives) - set(outputs.roles.values()))),
        boxes=str(boxes or ""),
        evidence="declared" if declared.boxes else "",
    )


def find_head(gives: Mapping[str, Spec], declared: Declared) -> Head | None:
    """The output of a signature that is a network's head; None if there is none."""
    outputs = find_outputs(gives, declared.outputs)
    if outputs.convention != RAW:
        return None
    name = outputs.roles[HEAD]
    _, first, last = gives[name].shape or (None, None, None)
    places_last = last is None if None in (first, last) else (first or 0) <= (last or 0)
    order = Reading.parse(declared.boxes).order if declared.boxes else _FIRST_ORDER
    return Head(name=plain(name), objectness=not places_last, order=order)
