"""What was found of a model by running it, kept in a file for the next start; used in a worker."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

import app
from converter.description import Declared, Description
from converter.disk.opening import make_folder, read_file, replace_file
from converter.model import sampling
from converter.model.describing import describe_boxes
from converter.model.prediction import Predictor

_LARGEST = 1 << 20  # bytes of a file


def describe(model: Predictor, kept: Path | None, declared: Declared) -> Description:
    """The model's description: declared, found by an earlier start, or found now; UnusableModel if it can't be.

    `kept` is the file of this model's findings, by the hash of its files; None: nothing is kept.
    """
    known = model.description
    if known.settled:
        return known
    key: dict[str, object] = {"server": app.__version__, "declared": declared.given()}
    found = _read(kept, key) if kept else None
    if found is not None and (found.input, found.signature) == (known.input, known.signature):
        return found
    found = describe_boxes(model, sampling.packaged())
    if kept:
        _write(kept, {**key, "description": asdict(found)})
    return found


def _read(path: Path, key: dict[str, object]) -> Description | None:
    """The finding that was kept under the same key; None if there is none that can be understood."""
    try:
        content = json.loads(read_file(path, most=_LARGEST))
        description = Description.from_json(json.dumps(content.pop("description")))
    except (OSError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    return description if content == key else None


def _write(path: Path, content: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # then it is found again at the next start
        make_folder(path.parent)
        replace_file(path, json.dumps(content).encode(), beside=path.with_suffix(".part"))
