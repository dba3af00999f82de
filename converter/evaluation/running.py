"""Has a model or a copy run on pictures by detecting.py, in a process of its own: what does it find in each of them?"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from converter.comparison import probe
from converter.machine import child
from converter.model.detections import Detections


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is run, the file with the paths of the pictures, and the file for what is found."""

    model: probe.Request
    pictures: Path
    into: Path


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in each picture, and those that it failed on with what it said."""

    detections: list[Detections]
    failed: dict[str, str]


def run(
    model: probe.Request, pictures: Sequence[Path], *, limits: child.Limits, on_line: Callable[[str], None]
) -> Found:
    """Run it on these files; a picture that it fails on has no detections. Raises as `probe.run`."""
    with tempfile.TemporaryDirectory(prefix="evaluation-") as root:
        asked = Asked(model=model, pictures=Path(root) / "pictures.json", into=Path(root) / "found.npy")
        asked.pictures.write_text(json.dumps([str(path.absolute()) for path in pictures]))
        printed = probe.ran("converter.evaluation.detecting", asked, limits=limits, on_line=on_line)
        rows = np.load(asked.into)
    failed = json.loads(printed.splitlines()[-1])
    ends = np.searchsorted(rows[:, 0], np.arange(len(pictures) + 1))
    parts = [rows[start:end] for start, end in pairwise(ends)]
    return Found([_detections(part) for part in parts], {pictures[int(key)].name: why for key, why in failed.items()})


def _detections(rows: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> Detections:
    return Detections(rows[:, 1:5], rows[:, 5], rows[:, 6].astype(np.int32))
