"""The model on disk: which folder is meant, its name and version, and its labels. No TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from app import foreign_models
from app.label_files import Labels, WrongLabels, read
from converter.disk.places import is_version
from converter.targets import KINDS

LABELS = Path("assets.extra") / "labels.txt"
_GRAPH = "saved_model.pb"
# What exporters and servers call the folder itself: below a folder that is named after the model, or after a version.
_INNER = ("saved_model", "model.savedmodel")
_MOST_ENTRIES = 10_000  # of a folder that are looked at
_COCO, _COCO_LAST = 80, 90  # classes, and the id of the last one where ids have gaps


class NoModel(Exception):
    """There is no SavedModel where one was named; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Model:
    """A SavedModel's folder and what the server calls it."""

    name: str
    version: str
    folder: Path
    labels: Mapping[int, str] = field(repr=False)  # by class id; empty while it is open which id the first one has
    label_evidence: str = ""  # how it is known which names belong to which ids; empty while that is open
    file: Labels | None = field(default=None, repr=False)  # what the names were read from

    def with_first(self, first_class: int, evidence: str) -> "Model":
        """The model whose first name is that of this class."""
        if self.file is None:
            return self
        told = f"{self.file.form}, the first is class {first_class}: {evidence}"
        return replace(self, labels=self.file.shifted(first_class), label_evidence=told)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is looked for, and what is said of its labels (see `find`)."""

    path: Path
    labels: Path | None = None
    first_class: int | None = None

    def find(self, version: str | None = None) -> Model:
        """What is there now: the newest version, or this one."""
        return find(self.path if version is None else self._of(version), self.labels, self.first_class)

    def versions(self) -> list[str]:
        """Their names, the newest first; empty if a SavedModel is named itself."""
        return [] if self.path.is_file() or _with_graph(self.path) else list(_versions(self.path))

    def _of(self, version: str) -> Path:
        """Where a version lies; NoModel if it is none of them."""
        names = self.versions()
        if version not in names:
            raise NoModel(f"there is no version {version[:40]!r}; there are: {', '.join(names[:20]) or 'none'}")
        return _versions(self.path)[version]


def find(path: Path, labels: Path | None = None, first_class: int | None = None) -> Model:
    """The SavedModel at `path`, or the newest version below it; NoModel says what is missing.

    `labels` is a file with the names of its classes, in place of the one that it has itself, and `first_class` the id
    of the first of them. Version folders are named by digits, as TensorFlow Serving has it; `1_trt` beside them is a
    copy, no version.
    """
    if labels is not None and not labels.is_file():
        raise NoModel(f"there is no file of labels at {labels}")
    folder = _folder(path)
    name, version = _called(folder)
    try:
        return _named(Model(name, version, folder, {}), labels or folder / LABELS, first_class)
    except WrongLabels as error:
        raise NoModel(str(error)) from error


def _named(model: Model, labels: Path, first_class: int | None) -> Model:
    if not labels.is_file():
        return model
    file = read(labels)
    model = replace(model, file=file, labels=file.names if file.has_ids else {})
    return model if first_class is None else model.with_first(first_class, "declared")


def _folder(path: Path) -> Path:
    """The folder of the SavedModel itself."""
    try:
        if not path.exists():
            raise NoModel(f"there is no model at {path}: no such file or folder")
        found = None if path.is_file() else _savedmodel(path)
        if found is None:
            raise NoModel(_instead(path) if path.is_file() else _lacking(path, _entries(path)))
    except OSError as error:
        raise NoModel(f"{path} can't be read: {error.strerror or error}") from error
    return found.resolve()


def _versions(path: Path) -> dict[str, Path]:
    """The folders of versions that have a SavedModel, by their names, the newest first."""
    try:
        named = sorted(filter(_is_version, _entries(path)), key=lambda entry: int(entry.name), reverse=True)
        if found := {entry.name: entry for entry in named if _with_graph(entry)}:
            return found
        inner = (path / name for name in _INNER if (path / name).is_dir())
        return next(filter(None, map(_versions, inner)), {})
    except OSError as error:
        raise NoModel(f"{path} can't be read: {error.strerror or error}") from error


def _entries(path: Path) -> list[Path]:
    return list(islice(path.iterdir(), _MOST_ENTRIES))


def _instead(path: Path) -> str:
    """Why a file is not a SavedModel, in a sentence that says what to do."""
    beside = _with_graph(path.parent)
    hint = f"; there is one in {beside}" if beside and path.name != _GRAPH else ""
    return f"{path} is not a SavedModel: {foreign_models.of_file(path)}{hint}"


def _savedmodel(path: Path) -> Path | None:
    """The SavedModel that a folder is or has, the newest if it has several versions; None if there is none."""
    if here := _with_graph(path):
        return here
    versions = sorted(filter(_is_version, _entries(path)), key=lambda entry: int(entry.name), reverse=True)
    inner = (path / name for name in _INNER if (path / name).is_dir())
    return next(filter(None, map(_with_graph, versions)), None) or next(filter(None, map(_savedmodel, inner)), None)


def _is_version(path: Path) -> bool:
    return is_version(path.name)


def _with_graph(folder: Path) -> Path | None:
    """This folder, or the one in it that has the graph."""
    return next((each for each in (folder, *(folder / name for name in _INNER)) if (each / _GRAPH).is_file()), None)


def _called(folder: Path) -> tuple[str, str]:
    """The model's name and version, by the folders that its own lies in."""
    names = [name for name in reversed(folder.parts[1:]) if name not in _INNER] or [folder.name]
    return (names[1], names[0]) if is_version(names[0]) and len(names) > 1 else (names[0], "unversioned")


def _lacking(path: Path, entries: Sequence[Path]) -> str:
    """Why there is no SavedModel in a folder, in a sentence that says what to do."""
    if not entries:
        return f"{path} is an empty folder: a SavedModel has {_GRAPH} and a folder of variables"
    if known := foreign_models.of_folder(entries):
        return f"{path} is not a SavedModel (no {_GRAPH}), and has no version folder with one; {known}"
    below = next(filter(_is_original, sorted(entries)), None)
    hint = f"; there is one in {below}" if below else ""
    return f"{path} is not a SavedModel (no {_GRAPH}) and has no version folder with one, like {path}/1{hint}"


def _is_original(path: Path) -> bool:
    """Whether it has a SavedModel and is not called like a copy: `street_trt`."""
    return path.name.rpartition("_")[2] not in KINDS and path.is_dir() and _with_graph(path) is not None


def id_space(labels: Mapping[int, str]) -> str:
    """Which ids the names have, in words: COCO's 80 classes are numbered without gaps, or up to 90 with ten gaps."""
    if not labels:
        return "no names: classes are called by their ids"
    first, last, count = min(labels), max(labels), len(labels)
    gaps = last - first + 1 - count
    if count == _COCO and last == _COCO_LAST and first == 1:
        return f"COCO's {_COCO} classes with its own ids, 1 to {_COCO_LAST} with {gaps} gaps"
    if count == _COCO and not gaps:
        return f"{_COCO} classes, {first} to {last} without gaps, as contiguous ids of COCO are"
    return f"{count} classes, {first} to {last}, {gaps or 'no'} gaps"
