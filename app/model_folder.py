"""The model on disk: which folder is meant, its name and version, and its labels. No TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from converter.disk.places import is_version

LABELS = Path("assets.extra") / "labels.txt"
_GRAPH = "saved_model.pb"
_COCO, _COCO_LAST = 80, 90  # classes, and the id of the last one where ids have gaps


class NoModel(Exception):
    """There is no SavedModel where one was named; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Model:
    """A SavedModel's folder and what the server calls it."""

    name: str
    version: str
    folder: Path
    labels: dict[int, str] = field(repr=False)


def find(path: Path, labels: Path | None = None) -> Model:
    """The SavedModel at `path`, or the newest version below it; NoModel says what is missing.

    `labels` is a file with the names of its classes, in place of the one that it has itself.
    Version folders are named by digits, as TensorFlow Serving has it; `1_trt` beside them is a copy, no version.
    """
    folder = _folder(path)
    if labels is not None and not labels.is_file():
        raise NoModel(f"there is no file of labels at {labels}")
    name, version = (folder.parent.name, folder.name) if is_version(folder.name) else (folder.name, "unversioned")
    return Model(name=name, version=version, folder=folder, labels=read_labels(labels or folder / LABELS))


def _folder(path: Path) -> Path:
    """The folder of the SavedModel itself."""
    if not path.exists():
        raise NoModel(f"there is no model at {path}: no such file or folder")
    if (path / _GRAPH).is_file():
        return path.resolve()
    versions = [entry for entry in path.iterdir() if is_version(entry.name)] if path.is_dir() else []
    usable = [entry for entry in versions if (entry / _GRAPH).is_file()]
    if not usable:
        raise NoModel(f"{path} is no SavedModel (no {_GRAPH}) and has no version folder with one, like {path}/1")
    return max(usable, key=lambda entry: int(entry.name)).resolve()


def read_labels(path: Path) -> dict[int, str]:
    """Names by class id; an empty dict without the file, NoModel if it can't be understood.

    Lines of an id and a name, or of names alone, which are counted from 1 as those of COCO and of the object detection
    API are.
    """
    if not path.is_file():
        return {}
    lines = [line.decode("utf-8", errors="surrogateescape").strip() for line in path.read_bytes().splitlines()]
    if _are_names(lines):
        return dict(enumerate(lines, start=1))
    return dict(_numbered(line, f"line {number} of {path.name}") for number, line in enumerate(lines, start=1))


def _are_names(lines: Sequence[str]) -> bool:
    """Whether these are names alone: some, all of them words, and none begins with a number."""
    words = all(line and line.isprintable() for line in lines)
    return bool(lines) and words and not any(line[0].isdigit() for line in lines)


def _numbered(line: str, where: str) -> tuple[int, str]:
    class_id, _, name = line.partition(" ")
    if not _is_number(class_id) or not name or not name.isprintable():
        raise NoModel(f"{where} is not a class id and a name, like '18 dog'")
    return int(class_id), name.strip()


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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
