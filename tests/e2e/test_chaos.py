"""The short form of `make chaos`: faults under load cost no answer of `auto`, and leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]


def test_faults_under_load_cost_no_answer(model_folder: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--seconds", "30", "--seed", "7", "--connections", "8"]
    command += ["--models", str(model_folder), "--faults", "kill,stop,damage,move,reload"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left over: nothing" in done.stdout
