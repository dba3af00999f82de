"""The model on disk: which folder is meant, its name and version, and its labels. No TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path

LABELS = Path("assets.extra") / "labels.txt"


class NoModel(Exception):
    """There is no SavedModel where one was named; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Model:
    """A SavedModel's folder and what the server calls it."""

    name: str
    version: str
    folder: Path
    labels: dict[int, str] = field(repr=False)


def find(path: Path) -> Model:
    """The SavedModel at `path`, or the newest version below it; NoModel says what is missing.

    Version folders are named by digits, as TensorFlow Serving has it; `1_trt` beside them is a copy, no version.
    """
    if not path.exists():
        raise NoModel(f"there is no model at {path}: no such file or folder")
    if (path / "saved_model.pb").is_file():
        folder = path.resolve()
    else:
        versions = [entry for entry in path.iterdir() if _is_number(entry.name)] if path.is_dir() else []
        usable = [entry for entry in versions if (entry / "saved_model.pb").is_file()]
        if not usable:
            raise NoModel(
                f"{path} is no SavedModel (no saved_model.pb) and has no version folder with one, like {path}/1"
            )
        folder = max(usable, key=lambda entry: int(entry.name)).resolve()
    name, version = (folder.parent.name, folder.name) if _is_number(folder.name) else (folder.name, "unversioned")
    return Model(name=name, version=version, folder=folder, labels=read_labels(folder / LABELS))


def read_labels(path: Path) -> dict[int, str]:
    """Names by class id: lines of an id and a name; an empty dict without the file, NoModel if a line is neither."""
    if not path.is_file():
        return {}
    labels = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        class_id, _, name = line.decode("utf-8", errors="surrogateescape").strip().partition(" ")
        if not _is_number(class_id) or not name or not name.isprintable():
            raise NoModel(f"line {number} of {path} is not a class id and a name, like '18 dog'")
        labels[int(class_id)] = name.strip()
    return labels


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
