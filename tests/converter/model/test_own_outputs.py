"""The outputs of a signature as they are, also where something else is read of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT


@pytest.mark.tensorflow
def test_a_head_is_given_as_it_is_besides_what_nms_leaves_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.converter.own_outputs", str(tmp_path / "1")]
    found = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert found["told"]["inputs"] == {"images": ["float32", [None, 64, 64, 3]]}
    assert found["told"]["outputs"] == {"output_0": ["float32", [None, 7, 84]]}
    assert found["told"]["gives"] == ["output_0"]
    assert found["shapes"]["output_0"] == [2, 7, 84]
    assert "output_0" not in found["read"]
    assert set(found["shapes"]) == {"output_0", *found["read"]}
