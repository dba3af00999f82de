"""Where the copies of a model go, and where earlier servers put them."""

import hashlib
import os
from pathlib import Path

_LONGEST_NAME = 200  # bytes of a model's name that are taken: a file system has 255 for the whole


def location(model: Path, target: str, *, cache: Path | None = None) -> Path:
    """The folder of the copy: beside the model, or in `cache` when the model's folder can't be written.

    A copy that stands beside the model already is taken wherever new ones would go.
    """
    beside = model.with_name(f"{model.name}_{target}")
    if beside.is_dir() or cache is None or os.access(model.parent, os.W_OK):
        return beside
    return cache / _home(model.resolve()) / beside.name


def earlier(model: Path, target: str, *, cache: Path) -> Path:
    """Where the copy stood in a cache in which all models shared one folder."""
    return cache / f"{model.name}_{target}"


def is_version(name: str) -> bool:
    """Whether a folder of this name is a version of the model whose name its parent has."""
    return name.isascii() and name.isdigit()


def _home(model: Path) -> str:
    """The folder of one model in a cache: versions share it, and models of the same name do not."""
    whole = model.parent if is_version(model.name) else model
    name = os.fsdecode(os.fsencode(whole.name)[:_LONGEST_NAME])
    return f"{name}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:8]}"
