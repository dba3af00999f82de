"""What `python -m app doctor` says of the copies that are there: the words with which a server would refuse them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import doctor
from converter.contract import REPORT_NAME, Options
from converter.disk import checks
from converter.identity import identify
from converter.machine.environment import Environment
from tests.support.converter.reports import REPORT
from tests.support.programs.without_tensorflow import FOUND

HERE = Environment(**FOUND)


def put(model: Path) -> Path:
    """A frozen copy, as it is made here and now."""
    folder, options = model / "1_frozen", Options(target="frozen")
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"a graph")
    identity = identify(model / "1", options, HERE)
    checks.add_report(folder, replace(REPORT, target="frozen", options=options, identity=identity, files={}))
    return folder


def told(model: Path, found: Environment = HERE) -> str:
    """What the doctor says of it."""
    diagnosis = doctor.examine(model=model, cache=None, calibration_images=None, problems=(), ask=lambda: found)
    text = doctor.as_text(diagnosis)
    return next(row[13:] for row in text[text.index("\nfrozen ") :].splitlines() if row.startswith("  copy"))


def test_nothing_is_wrong_with_a_copy_that_was_made_here(saved_model: Path) -> None:
    put(saved_model)
    assert told(saved_model) == "nothing is wrong with its files"


def test_a_damaged_copy_is_told_by_its_file(saved_model: Path) -> None:
    (put(saved_model) / "saved_model.pb").write_bytes(b"another graph")
    assert told(saved_model) == "refused: damaged: 1_frozen is damaged: saved_model.pb is not the file that was written"


def test_a_copy_of_another_model_is_told(saved_model: Path) -> None:
    put(saved_model)
    (saved_model / "1" / "saved_model.pb").write_bytes(b"another graph")
    assert told(saved_model).startswith("refused: identity: 1_frozen belongs to another model: it was made with source")


def test_a_copy_for_other_libraries_is_told(saved_model: Path) -> None:
    put(saved_model)
    found = replace(HERE, tensorflow="2.13.0")
    assert told(saved_model, found).endswith("it was made with tensorflow 2.14.1, here it is 2.13.0")


@pytest.mark.parametrize("report", ["no JSON", json.dumps({"target": "frozen"})])
def test_a_report_that_says_nothing_is_told(report: str, saved_model: Path) -> None:
    (put(saved_model) / REPORT_NAME).write_text(report)
    assert told(saved_model).startswith("refused: incomplete: 1_frozen: report.json can't be")


def test_of_a_machine_that_is_not_known_nothing_is_said(saved_model: Path) -> None:
    put(saved_model)
    assert told(saved_model, Environment(crash="it ended by SIGSEGV")) == "nothing is wrong with its files"
