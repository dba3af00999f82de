"""The parts that an ONNX copy's graph was cut into, and what a model takes and gives, as rows for people."""

from collections.abc import Sequence
from typing import Any

from app.web.report_values import Data, as_number, as_object, by_count, joined, text

# What is computed in each part of a graph, and by which library.
_PARTS = {
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
    counts, types, why = (as_object(facts.get(name)) for name in ("operations", "operations_by_type", "why"))
    names = [*(name for name in _PARTS if name in counts), *(name for name in counts if name not in _PARTS)]
    rows = [
        {
            "words": _PARTS.get(name, (name, ""))[0],
            "runs_in": _PARTS.get(name, ("", None))[1],
            "operations": counts[name],
            "why": why.get(name),
            "by_type": by_count(types.get(name)),
        }
        for name in names
    ]
    known = [number for name in names if (number := as_number(counts[name])) is not None]
    return {"rows": rows, "total": sum(known), "cut": _CUTS.get(text(facts.get("cut")))}


def takes_and_gives(model: Data) -> Sequence[tuple[str, str]]:
    """Of the description of a model: its signature, input and outputs, and what its boxes mean."""
    given = as_object(model.get("input"))
    sides = [f"{name} {text(given[name])}" for name in ("batch", "height", "width") if given.get(name)]
    outputs = [f"{name} is {text(tensor)}" for name, tensor in as_object(model.get("outputs")).items()]
    same = [text(name) for name, tensor in as_object(model.get("outputs")).items() if name == tensor]
    rows = {
        "Signature": model.get("signature"),
        "Input": f"{text(given.get('name'))}: {joined([given.get('kind'), *sides])}" if given else None,
        "Outputs": joined(same if len(same) == len(outputs) else outputs) if outputs else None,
        "Boxes": model.get("boxes"),
        "Boxes known by": model.get("evidence"),
        "Convention": model.get("convention"),
        "Notes": joined(notes) if (notes := model.get("notes")) and isinstance(notes, list) else None,
    }
    return [(label, text(value)) for label, value in rows.items() if value]
