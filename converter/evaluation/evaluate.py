"""An evaluation from beginning to end: native and its copies run on the pictures, scored, and told apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from converter.comparison.probe import Request
from converter.contract import BadOptions, CopyRefused, Report, UnusableModel
from converter.description import Declared
from converter.evaluation import categories, running, scoring, truth
from converter.evaluation.difference import RESAMPLES, Difference, difference
from converter.evaluation.scoring import Score
from converter.machine.child import Limits
from converter.model import files
from converter.progress import DETECT, Progress

NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is evaluated, and on what."""

    model: Path
    copies: tuple[Path, ...] = ()
    images: Path
    annotations: Path
    partial: bool = False  # leave out pictures whose files are not there
    classes: str | None = None  # one of categories.WAYS; None: as what is found tells
    declared: Declared = field(default_factory=Declared)  # of the model
    resamples: int = RESAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one model reaches."""

    name: str
    folder: Path
    precisions: Mapping[str, float | None]  # by scoring.NAMES
    failed: Mapping[str, str]  # pictures that it failed on: what is in them it has missed
    difference: Difference | None  # None of native


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Native first, then the copies as they were named."""

    pictures: int
    absent: int
    objects: int
    classes: str  # the way in which classes are categories
    evidence: str
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"rows": [asdict(row) | {"folder": str(row.folder)} for row in self.rows]}


def evaluate(question: Question, *, progress: Progress, limits: Limits) -> Evaluation:
    """Raises a ConverterError: BadOptions, UnusableModel, TargetUnavailable, CopyRefused or ConversionFailed."""
    scoring.check_installed()
    requests = [_native(question), *map(_copy, question.copies)]
    known = truth.read(question.annotations, question.images, partial=question.partial)
    progress.plan([DETECT + request.folder.name for request in requests])
    found = [_run(request, known, progress, limits) for request in requests]
    mapped = categories.of(known, found[0].detections, question.classes)
    return Evaluation(
        pictures=len(known.ids),
        absent=known.absent,
        objects=sum(not box.iscrowd for box in known.boxes),
        classes=mapped.way,
        evidence=mapped.evidence,
        rows=tuple(_rows(question, found, [scoring.score(known, each.detections, mapped.of_class) for each in found])),
    )


def _rows(question: Question, found: Sequence[running.Found], scores: Sequence[Score]) -> Iterator[Row]:
    names = [NATIVE, *(folder.absolute().name for folder in question.copies)]
    folders = [question.model, *question.copies]
    for name, folder, each, score, apart in zip(
        names, folders, found, scores, _differences(question, scores), strict=True
    ):
        yield Row(name=name, folder=folder, precisions=score.precisions, failed=each.failed, difference=apart)


def _native(question: Question) -> Request:
    if problem := files.no_savedmodel(question.model):
        raise UnusableModel(problem)
    return Request(folder=question.model.resolve(), batch_sizes=(1,), declared=question.declared)


def _copy(folder: Path) -> Request:
    try:
        report = Report.read(folder)
    except (OSError, ValueError) as error:
        raise BadOptions(f"the report of {folder.absolute().name} can't be read: {error}") from error
    if report is None and (folder / "saved_model.pb").is_file():
        return Request(folder=folder.resolve(), batch_sizes=(1,))  # made elsewhere
    if report is None:
        raise BadOptions(f"{folder.absolute().name} is not a copy: it has neither a report.json nor a saved_model.pb")
    return Request(folder=folder.resolve(), target=report.target, batch_sizes=(min(report.batch_sizes),))


def _run(request: Request, known: truth.Truth, progress: Progress, limits: Limits) -> running.Found:
    with progress.step(DETECT + request.folder.name):
        try:
            return running.run(request, known.files, limits=limits, on_line=progress.relay)
        except CopyRefused as error:
            name = request.folder.name
            if request.target is None:
                raise UnusableModel(str(error).replace("the copy", name)) from error
            raise CopyRefused(error.reason, str(error).replace("the copy", name)) from error


def _differences(question: Question, scores: Sequence[Score]) -> list[Difference | None]:
    native, *copies = scores
    pictures = len(native.matches[0].objects)
    told = [
        difference(native.matches, each.matches, pictures=pictures, resamples=question.resamples) for each in copies
    ]
    return [None, *told]
