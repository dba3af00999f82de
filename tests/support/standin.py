"""TF-TRT copies without engines, made by the real TF-TRT on a machine without a GPU and without TensorRT."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.settings import bundled_model
from tests.support.places import ROOT

PROGRAMS = ROOT / "tests" / "support" / "converter"
LIBRARIES = ("libnvinfer.so.8", "libnvinfer_plugin.so.8")  # as TensorFlow 2.14 opens them


@dataclass(frozen=True)
class EnginelessCopy:
    """The saved copy, what the program that made it told of it, and what TensorFlow wrote meanwhile."""

    folder: Path
    log: list[str]
    facts: dict[str, Any]  # as in a report
    saved: dict[str, Any]  # what the saved graph says
    calibrated_on: list[list[int]]  # the shape of each batch that INT8 would be calibrated with


Done = subprocess.CompletedProcess[str]


def run_standin(libraries: Path, folder: Path, *options: str, model: Path | None = None) -> Done:
    """Convert a model (None: the bundled one) with options of `python -m converter` and save it without engines."""
    return subprocess.run(
        [sys.executable, PROGRAMS / "convert_without_gpu.py", model or bundled_model() / "1", folder, *options],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def engineless(folder: Path, done: Done) -> EnginelessCopy:
    """The copy that `run_standin` saved there."""
    assert done.returncode == 0, done.stderr
    return EnginelessCopy(folder, done.stderr.splitlines(), **json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def standin_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for LD_LIBRARY_PATH with libraries that say they are TensorRT 8.5.3 and can't build an engine."""
    if shutil.which("gcc") is None and not {"CI", "DETECTOR_TEST_SYSTEM"} & os.environ.keys():
        pytest.skip("needs gcc (Debian: build-essential) for the library that stands in for TensorRT's")
    folder = tmp_path_factory.mktemp("standin")
    for name in LIBRARIES:
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / name, PROGRAMS / "standin.c"], check=True)
    return folder


@pytest.fixture(scope="session")
def engineless_copy(standin_library: Path, tmp_path_factory: pytest.TempPathFactory) -> EnginelessCopy:
    """The bundled model, converted with the default options."""
    folder = tmp_path_factory.mktemp("engineless") / "1_trt"
    return engineless(folder, run_standin(standin_library, folder))


@pytest.fixture(scope="session")
def engineless_trt(engineless_copy: EnginelessCopy) -> Path:
    """Its folder."""
    return engineless_copy.folder
