"""The RetinaNet with stand-in weights: as large as a trained one, and it finds something to compare copies by."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.converter.made import program

pytestmark = pytest.mark.tensorflow

PHOTOS = Path("converter", "photos")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `converter.model.signature` reads of the model, built small, and its outputs for the packaged photos."""
    folder = tmp_path_factory.mktemp("retinanet") / "1"
    command = [sys.executable, "-m", "benchmarks.retinanet", str(folder), "--size", "128"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}: 38299854 parameters\n"
    found: dict[str, Any] = json.loads(program("outputs.py", PHOTOS, folder))[str(folder)]
    return found


@pytest.fixture(scope="module")
def outputs(described: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {name: np.array(values, np.float32) for name, values in described["outputs"].items()}


def test_it_takes_any_number_of_jpeg_files(described: dict[str, Any]) -> None:
    assert described["input"] == ["image_bytes", "(None,)"]


def test_every_number_is_finite(outputs: dict[str, NDArray[np.float32]]) -> None:
    assert all(np.isfinite(values).all() for values in outputs.values())


def test_each_photo_has_dozens_of_detections_of_many_classes(outputs: dict[str, NDArray[np.float32]]) -> None:
    for scores, classes in zip(outputs["detection_scores"], outputs["detection_classes"], strict=True):
        found = scores >= 0.25
        assert 20 <= found.sum() < 80
        assert len(set(classes[found])) >= 10
        assert set(classes[found]) <= set(range(1, 91))
        assert 0.6 < scores.max() < 0.99


def test_boxes_lie_in_the_photo_and_have_an_area(outputs: dict[str, NDArray[np.float32]]) -> None:
    boxes = outputs["detection_boxes"][outputs["detection_scores"] >= 0.25]
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert boxes.min() >= 0
    assert boxes.max() <= 1
