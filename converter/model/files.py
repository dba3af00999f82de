"""What a folder is, told from the names of its files without loading anything."""

from pathlib import Path

from converter.contract import Report
from converter.disk.places import is_version
from converter.model.onnx_layout import LAYOUT_NAME

SAVED_MODEL = "saved_model.pb"


def is_model(folder: Path) -> bool:
    """Whether `folder` has a SavedModel, or a copy of any kind, complete or not."""
    return (folder / SAVED_MODEL).is_file() or (folder / LAYOUT_NAME).is_file() or _has_report(folder)


def no_savedmodel(folder: Path) -> str | None:
    """The sentence about a folder that is no SavedModel, which names its newest version if it has any."""
    if (folder / SAVED_MODEL).is_file():
        return None
    name = folder.absolute().name
    sentence = f"{name} is not a SavedModel: it has no {SAVED_MODEL}"
    versions = [each.parent.name for each in folder.glob(f"*/{SAVED_MODEL}") if is_version(each.parent.name)]
    return f"{sentence}; name one of its versions, such as {name}/{max(versions, key=int)}" if versions else sentence


def may_be_replaced(folder: Path) -> bool:
    """Whether `folder` is empty, a SavedModel or a copy: a new copy takes the place of nothing else."""
    return folder.is_dir() and (is_model(folder) or not any(folder.iterdir()))


def _has_report(folder: Path) -> bool:
    try:
        return Report.read(folder) is not None
    except ValueError:
        return False
