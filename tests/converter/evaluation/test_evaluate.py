"""`python -m converter evaluate` on the bundled model: its own detections are the truth, and what is wrong is known."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import bundled_model
from converter.comparison.probe import Request
from converter.evaluation import running
from converter.machine.child import Limits
from tests.support.altering import framed
from tests.support.models.shifts import MOVED_BY

CERTAIN = 0.3
UNICORN = 1000  # a category of which there is an object that nobody finds
MOVED_IOU = (1 - MOVED_BY) ** 2 / (2 - (1 - MOVED_BY) ** 2)
BORNE = np.mean(np.arange(0.5, 1, 0.05) <= MOVED_IOU)  # the share of COCO's overlaps at which a moved box is right


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "converter", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def annotations(folder: Path, files: Sequence[Path]) -> Path:
    """A file that says of what native finds for certain that it is there, and names one thing more."""
    request = Request(folder=bundled_model() / "1", batch_sizes=(1,))
    found = running.run(request, files, limits=Limits.within(120), on_line=lambda line: None)
    assert found.failed == {}
    boxes: list[dict[str, Any]] = [
        {"image_id": number, "category_id": int(kind), "bbox": [left, top, right - left, bottom - top]}
        for number, each in enumerate(found.detections)
        for (left, top, right, bottom), kind, score in zip(each.boxes.tolist(), each.classes, each.scores, strict=True)
        if score >= CERTAIN
    ]
    boxes.append({"image_id": 0, "category_id": UNICORN, "bbox": [0, 0, 20, 20]})
    told = {
        "images": [{"id": number, "file_name": path.name} for number, path in enumerate(files)],
        "annotations": boxes,
        "categories": [{"id": kind} for kind in sorted({box["category_id"] for box in boxes})],
    }
    file = folder / "coco.json"
    file.write_text(json.dumps(told))
    return file


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, bytes], altered: Path) -> dict[str, Any]:
    """What is said of native and of a copy whose boxes are moved."""
    root = tmp_path_factory.mktemp("evaluated")
    (root / "pictures").mkdir()
    files = [root / "pictures" / f"{number:02}.jpg" for number in range(3 * len(photos))]
    for file, data in zip(files, framed(photos.values()), strict=True):
        file.write_bytes(data)
    file, moved = annotations(root, files), altered / "moved"
    asked = (bundled_model() / "1", moved, "--images", root / "pictures", "--annotations", file, "--json")
    done = evaluate(*asked, "--classes", "ids")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout) | {"file": json.loads(file.read_text())}
    return found


@pytest.mark.tensorflow
def test_native_misses_only_what_nobody_can_find(told: dict[str, Any]) -> None:
    kinds = len(told["file"]["categories"])
    assert kinds > 3
    assert told["rows"][0]["name"] == "native"
    assert told["rows"][0]["precisions"]["map"] == pytest.approx((kinds - 1) / kinds, abs=0.001)
    assert told["rows"][0]["difference"] is None
    assert (told["pictures"], told["objects"]) == (len(told["file"]["images"]), len(told["file"]["annotations"]))


@pytest.mark.tensorflow
def test_boxes_that_are_moved_are_right_at_the_overlaps_below_theirs(told: dict[str, Any]) -> None:
    native, moved = (row["precisions"]["map"] for row in told["rows"])
    assert moved == pytest.approx(BORNE * native, abs=0.02)
    apart = told["rows"][1]["difference"]
    assert apart["value"] == pytest.approx(moved - native, abs=1e-4)
    assert told["pictures"] < 20
    assert (apart["low"], apart["high"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nowhere"], 3, "evaluate: nowhere is not a SavedModel: it has no saved_model.pb"),
        ([bundled_model() / "1", "nowhere"], 2, "evaluate: nowhere is not a copy: it has neither a report.json nor a "),
        ([bundled_model() / "1"], 2, "evaluate: coco.json can't be read: No such file or directory"),
    ],
    ids=["no model", "no copy", "no annotations"],
)
def test_what_can_not_be_is_told_before_anything_runs(arguments: list[object], code: int, sentence: str) -> None:
    done = evaluate(*arguments, "--images", "pictures", "--annotations", "coco.json")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].startswith(sentence)
