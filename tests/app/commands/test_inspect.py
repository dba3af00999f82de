"""What `python -m app inspect` tells of a model that can be served, and of one that can't."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.commands.inspect import Inspection, as_json, as_text
from converter.description import API, Description, Input
from tests.support.converter.running import fake_model, machine

FOUND = Inspection(
    model="street",
    version="2",
    problem=None,
    description=Description(
        input=Input(name="image", kind="uint8", batch=1, height=320, width=320, fit="pad"),
        convention=API,
        outputs={"detection_boxes": "detection_boxes"},
        ignored=("raw_scores",),
        boxes="yxyx",
        evidence="31 boxes on 5 photos",
    ),
    batch_sizes=(1,),
    left_out={"8": "the graph takes one picture"},
    label_ids="3 classes, 1 to 3, no gaps",
    copies={"frozen": None, "trt": "there is no GPU"},
)


def inspect(model: Path, *options: str, **says: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "inspect", str(model), *options]
    return subprocess.run(command, env=machine(**says), capture_output=True, text=True, timeout=60, check=False)


def test_the_table_says_all_of_it() -> None:
    lines = [line.split(maxsplit=1) for line in as_text(FOUND).splitlines()]
    text = as_text(FOUND)
    assert lines[0] == ["model", "street, version 2"]
    for words in (
        "image: uint8 pictures (1, 320, 320, 3), decoded by the worker, fitted by pad",
        "yxyx, known by: 31 boxes on 5 photos",
        "the graph takes one picture",
        "raw_scores",
        "frozen         can be made",
        "trt            can't be made: there is no GPU",
    ):
        assert words in text


def test_the_same_for_programs() -> None:
    facts = json.loads(json.dumps(as_json(FOUND)))
    assert facts["can_be_served"] is True
    assert facts["copies"]["trt"] == {"can_be_made": False, "reason": "there is no GPU"}
    assert facts["signature"]["boxes"] == "yxyx"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_looks_at_a_model(form: str, tmp_path: Path) -> None:
    done = inspect(fake_model(tmp_path), *(["--json"] if form == "json" else []), onnx=None)
    assert done.returncode == 0, done.stderr
    if form == "json":
        assert json.loads(done.stdout)["copies"]["frozen"] == {"can_be_made": True, "reason": None}
    else:
        assert "boxes          yxyx_norm, known by: 5 boxes on 5 photos" in done.stdout


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = inspect(tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("inspect: there is no model at ")
