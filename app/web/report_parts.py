"""The parts that an ONNX copy's graph was cut into, and what a model takes and gives, as rows for people."""

from collections.abc import Sequence
from typing import Any

from app.web.report_values import Data, as_number, as_object, by_count, joined, text

# What is computed in each part of a graph, and by which library.
_PARTS: dict[str, tuple[str, str | None]] = {
    "picture": ("preparing each picture", "ONNX Runtime"),
    "head": ("before the network", "TensorFlow"),
    "network": ("the network", "ONNX Runtime"),
    "tail": ("after the network", "TensorFlow"),
}
_CUTS = {
    "at the decoder": "JPEG files are decoded outside of the graph, which begins with their pixels.",
    "before the network": "TensorFlow decodes JPEG files and does what comes before the network.",
    "nowhere": "The graph takes pixels; it was converted from its beginning.",
}


def parts(facts: Data) -> dict[str, Any]:
    """The parts in the order in which they run, with their operations by type; a sentence on where it was cut."""
    counts = as_object(facts.get("operations"))
    rows = [_part(name, counts[name], facts) for name in sorted(counts, key=_turn)]
    known = [number for each in counts.values() if (number := as_number(each)) is not None]
    return {"rows": rows, "total": sum(known), "cut": _CUTS.get(text(facts.get("cut")))}


def _turn(name: str) -> int:
    """Which part it is, in the order in which they run; one that is not known comes last."""
    return [*_PARTS, name].index(name)


def _part(name: str, operations: Any, facts: Data) -> dict[str, Any]:
    words, runs_in = _PARTS.get(name, (name, None))
    types, why = as_object(facts.get("operations_by_type")), as_object(facts.get("why"))
    return {
        "words": words,
        "runs_in": runs_in,
        "operations": operations,
        "why": why.get(name),
        "by_type": by_count(types.get(name)),
    }


def takes_and_gives(model: Data) -> Sequence[tuple[str, str]]:
    """Of the description of a model: its signature, input and outputs, and what its boxes mean."""
    rows = {
        "Signature": model.get("signature"),
        "Input": _input(as_object(model.get("input"))),
        "Outputs": _outputs(as_object(model.get("outputs"))),
        "Boxes": model.get("boxes"),
        "Boxes known by": model.get("evidence"),
        "Convention": model.get("convention"),
        "Notes": model.get("notes"),
    }
    return [(label, text(value)) for label, value in rows.items() if value]


def _input(given: Data) -> str:
    sides = [f"{name} {text(given[name])}" for name in ("batch", "height", "width") if given.get(name)]
    return f"{text(given.get('name'))}: {joined([given.get('kind'), *sides])}" if given else ""


def _outputs(tensors: Data) -> str:
    """Their names; where a tensor has another name, that too."""
    told = [name if name == tensor else f"{name} is {text(tensor)}" for name, tensor in tensors.items()]
    return joined(told) if told else ""
