"""Copies that differ in a known way, pictures to judge them on, and what must be found there."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from app.settings import bundled_model
from benchmarks.serving import Server
from converter.comparison.agreement import Agreement, total
from converter.comparison.matching import compare
from converter.model.detections import Detections
from converter.tolerance import Tolerance
from tests.support.once import Once

LIMITS = Tolerance()
GREY = (128, 128, 128)


@pytest.fixture(scope="session")
def altered(once: Once) -> Path:
    """A folder with the SavedModels of `tests.support.models.altered`, by name."""
    command = [sys.executable, "-m", "tests.support.models.altered", str(bundled_model() / "1")]

    def make(root: Path) -> None:
        subprocess.run([*command, str(root)], check=True, capture_output=True)

    return once("altered", make)


def put(source: Path, place: Path) -> None:
    """The SavedModel in `source` in the place of what is there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)


def framed(photos: Iterable[bytes]) -> list[bytes]:
    """The photos, mirrored and smaller too, on grey that leaves every box room to be moved."""
    found = []
    for photo in photos:
        with PIL.Image.open(io.BytesIO(photo)) as picture:
            picture.thumbnail((400, 400))
            smaller = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))
            for each in (picture, PIL.ImageOps.mirror(picture), smaller):
                found.append(_jpeg(PIL.ImageOps.expand(each.convert("RGB"), border=40, fill=GREY)))
    return found


def empty() -> list[bytes]:
    """Pictures in which there is nothing."""
    return [_jpeg(PIL.Image.new("RGB", size, GREY)) for size in ((320, 240), (200, 300))]


def fill(folder: Path, pictures: Sequence[bytes]) -> None:
    """These pictures and no others in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number:02}.jpg").write_bytes(picture)


def found_by(server: Server, backend: str, pictures: Sequence[bytes]) -> list[Detections]:
    """What the backend finds in each picture by itself, whatever the score."""
    return [detections(server.detect(each, backend=backend, threshold=0).json()) for each in pictures]


def detections(answer: Mapping[str, Any]) -> Detections:
    """What an answer of /detect says."""
    rows = answer["detections"]
    boxes = np.array([[row["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for row in rows], np.float32)
    return Detections(
        boxes.reshape(-1, 4),
        np.array([row["score"] for row in rows], np.float32),
        np.array([row["class_id"] for row in rows], np.int32),
    )


def adds_up_to(native: Sequence[Detections], copy: Sequence[Detections]) -> Agreement:
    """How the answers to some pictures differ, by the default limits."""
    return total([compare(ours, theirs, LIMITS) for ours, theirs in zip(native, copy, strict=True)])


def word_of(told: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    """The word that follows from the numbers of a verdict, as /model tells it, and the rules that /compare tells."""
    words = {_agreed(each, rules) for each in told["agreement"].values()}
    if words != {"agrees"}:
        return "disagrees" if "disagrees" in words else "undecided"
    lows = sorted(each["low"] for each in told["native_over_copy"].values())
    return "passed" if lows[-1] > rules["speedup"] and lows[0] > rules["not_slower"] else "slower"


def _agreed(numbers: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    """On pictures that are too few for the test of the share of wrong boxes."""
    within = numbers["mean_iou"] >= rules["mean_iou"] and numbers["largest_score_diff"] <= rules["score_diff"]
    if not within:
        return "disagrees"
    return "agrees" if numbers["rows"] >= rules["fewest_rows"] and not numbers["rows_apart"] else "undecided"


def _jpeg(picture: PIL.Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()
