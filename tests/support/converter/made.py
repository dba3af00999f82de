"""Models that TensorFlow saved and copies that the command made, once a session, for the converter's tests."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.settings import bundled_model

PROGRAMS = Path(__file__).parent


@dataclass(frozen=True)
class OddModels:
    """SavedModels by the names of odd_models.py; `said` is the sentence of each refusal, or what they have."""

    root: Path
    said: dict[str, str]


@dataclass(frozen=True)
class Made:
    """A copy that the command made, and how it ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]


def program(name: str, *arguments: Path, within_s: float = 120) -> str:
    """The last line that a program beside this file writes; it runs TensorFlow in a process of its own."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / name, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> OddModels:
    """Small SavedModels: a detector, and what is none."""
    root = tmp_path_factory.mktemp("odd")
    return OddModels(root, json.loads(program("odd_models.py", root)))


@pytest.fixture(scope="session")
def frozen_copy(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The bundled model's frozen copy, as `python -m converter .` makes it in the model's folder."""
    model = shutil.copytree(bundled_model() / "1", tmp_path_factory.mktemp("yolox_nano") / "1")
    done = subprocess.run(
        [sys.executable, "-m", "converter", ".", "--target", "frozen", "--batch-sizes", "2,1"],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        cwd=model,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Made(model.with_name("1_frozen"), done)
