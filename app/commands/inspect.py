"""`python -m app inspect MODEL`: what a model takes and gives, whether it can be served, and which copies it can have.

Everything is found by doing it, in children: the model is run on the packaged photos, and each copy is made, run and
compared as `python -m converter` does it, in a folder that is thrown away.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import label_ids, model_folder
from converter import targets
from converter.comparison import probe
from converter.contract import ConverterError, Order
from converter.description import Declared, Description, in_words
from converter.machine import child
from converter.model import sampling
from converter.progress import silent
from converter.run import convert

_LONGEST_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found; a `problem` is the sentence with which a server would refuse the model."""

    model: str
    version: str
    problem: str | None
    description: Description | None
    batch_sizes: tuple[int, ...]  # of those tried that work
    left_out: Mapping[str, str]  # those that don't, and why
    label_ids: str
    label_evidence: str
    copies: Mapping[str, str | None]  # by target: why it can't be made, or None


def inspect(model: model_folder.Model, declared: Declared, sizes: tuple[int, ...]) -> Inspection:
    """Look at a model; takes a minute."""
    limits = child.Limits.within(_LONGEST_S)
    problem, probed = None, None
    try:
        probed = probe.run(probe.Request(folder=model.folder, batch_sizes=sizes, declared=declared), limits=limits)
        model, problem = _named(model, probed)
    except ConverterError as error:
        problem = str(error).removeprefix("the copy does not run: ").replace("the copy", "the model")
    copies: dict[str, str | None] = dict.fromkeys(targets.KINDS, "the model can't be served")
    if probed and problem is None:
        working = tuple(sorted(map(int, probed.latency)))
        copies = {target: _lacking(target, model.folder, declared, working) for target in targets.KINDS}
    return Inspection(
        model=model.name,
        version=model.version,
        problem=problem,
        description=probed.description if probed else None,
        batch_sizes=tuple(sorted(map(int, probed.latency))) if probed else (),
        left_out=probed.left_out if probed else {},
        label_ids=_ids(model),
        label_evidence=model.label_evidence,
        copies=copies,
    )


def _named(model: model_folder.Model, probed: probe.Probed) -> tuple[model_folder.Model, str | None]:
    """The model with its labels settled as the server settles them, or the sentence with which it would refuse."""
    if model.file is None or model.label_evidence:
        return model, None
    told = {**in_words(probed.description), "outputs": [*probed.description.outputs.values()]}
    try:
        first, evidence = label_ids.first_class(model.file, label_ids.Seen(told, _scores(probed)))
    except label_ids.Undecided as error:
        return model, str(error)
    return model.with_first(first, evidence), None


def _ids(model: model_folder.Model) -> str:
    """Which ids its classes have, in words; their names may be known before their ids are."""
    if model.file is not None and not model.label_evidence:
        return "there are names; which classes they belong to is found out once the model can be served"
    return model_folder.id_space(model.labels)


def _scores(probed: probe.Probed) -> dict[int, float]:
    """The best score of each class in the packaged photos, which come first."""
    photos = next(iter(probed.detections.values()))[: len(sampling.packaged())]
    rows = [row for each in photos for row in zip(each.scores.tolist(), each.classes.tolist(), strict=True)]
    return {class_id: score for score, class_id in sorted(rows)}  # the best one comes last


def _lacking(target: str, folder: Path, declared: Declared, sizes: tuple[int, ...]) -> str | None:
    """Why there can't be this copy here, or None: it has been made, run and compared, and thrown away."""
    options = targets.kind(target).options(batch_sizes=sizes, declared=declared)
    limits = child.Limits.within(_LONGEST_S)
    with tempfile.TemporaryDirectory(prefix="inspect-") as place:
        try:
            convert(folder, Order(options=options), folder=Path(place) / target, progress=silent(), limits=limits)
        except ConverterError as error:
            return str(error)
    return None


def as_json(found: Inspection) -> dict[str, Any]:
    """The facts for a machine to read."""
    return {
        "model": found.model,
        "version": found.version,
        "can_be_served": found.problem is None,
        "problem": found.problem,
        "signature": found.description and {"name": found.description.signature, **in_words(found.description)},
        "batch_sizes": list(found.batch_sizes),
        "batch_sizes_left_out": dict(found.left_out),
        "label_ids": found.label_ids,
        "label_evidence": found.label_evidence,
        "copies": {name: {"can_be_made": why is None, "reason": why} for name, why in found.copies.items()},
    }


def as_text(found: Inspection) -> str:
    """The same as a table for a person."""
    return "\n".join(f"{label:14} {words}" for label, words in _lines(found))


def _lines(found: Inspection) -> Iterator[tuple[str, str]]:
    yield "model", f"{found.model}, version {found.version}"
    yield "can be served", "yes" if found.problem is None else f"no: {found.problem}"
    if found.description:
        yield "signature", found.description.signature
        yield "input", found.description.input.sentence()
        yield "outputs", f"{found.description.convention}: {', '.join(found.description.outputs.values())}"
        if found.description.ignored:
            yield "ignored", ", ".join(found.description.ignored)
        yield "boxes", f"{found.description.boxes}, known by: {found.description.evidence}"
        yield "batch sizes", ", ".join(map(str, found.batch_sizes))
    for size, why in found.left_out.items():
        yield f"  not {size}", why
    yield "labels", f"{found.label_ids}{found.label_evidence and f'; {found.label_evidence}'}"
    for name, lacking in found.copies.items():
        yield name, "can be made" if lacking is None else f"can't be made: {lacking}"
