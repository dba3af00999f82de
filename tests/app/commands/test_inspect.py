"""What `python -m app inspect` tells of a model that can be served, and of one that can't."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import main
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
    label_evidence="JSON, the first is class 1: by the ids in it",
    copies={"frozen": None, "trt": "there is no GPU"},
)


def test_the_table_says_all_of_it() -> None:
    lines = [line.split(maxsplit=1) for line in as_text(FOUND).splitlines()]
    text = as_text(FOUND)
    assert lines[0] == ["model", "street, version 2"]
    for words in (
        "image: uint8 pictures (1, 320, 320, 3), decoded by the worker, fitted by pad",
        "yxyx, known by: 31 boxes on 5 photos",
        "the graph takes one picture",
        "raw_scores",
        "3 classes, 1 to 3, no gaps; JSON, the first is class 1: by the ids in it",
        "frozen         can be made",
        "trt            can't be made: there is no GPU",
    ):
        assert words in text


def test_the_same_for_programs() -> None:
    facts = json.loads(json.dumps(as_json(FOUND)))
    assert facts["can_be_served"] is True
    assert facts["copies"]["trt"] == {"can_be_made": False, "reason": "there is no GPU"}
    assert facts["signature"]["boxes"] == "yxyx"


def test_the_command_looks_at_a_model_which_sees_the_variables_that_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app", "inspect", str(fake_model(tmp_path))]
    environ = {**machine(onnx=None), "DETECTOR_CHILD_ENVIRONMENT": "FAKE_TENSORFLOW"}
    done = subprocess.run([*command, "--json"], env=environ, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert facts["copies"]["frozen"] == {"can_be_made": True, "reason": None}
    assert facts["signature"]["boxes_evidence"].startswith("of 5 sure objects 0 are found again ")
    del environ["DETECTOR_CHILD_ENVIRONMENT"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "FAKE_TENSORFLOW" in done.stdout
    assert "labels         there are names; which classes they belong to is found out once" in done.stdout


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path / "none")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("inspect: there is no model at ")
