"""The README is under test: it is short, and what it shows is what happens."""

import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.serving import Server
from tests.support.documents import answer_and_example
from tests.support.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 1500
MAKE_TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_it_is_read_in_one_sitting() -> None:
    assert len(README.split()) <= MOST_WORDS


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_make_target_is_explained_by_make_help(target: str) -> None:
    assert target in subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_its_pictures_are_there() -> None:
    shown = re.findall(r'src="([^"]+)"', README)
    assert len(shown) == 3
    assert [each for each in shown if not (Path(ROOT) / each).is_file()] == []


@pytest.mark.tensorflow
def test_the_first_request_gets_the_answer_that_is_shown(server: Server) -> None:
    answer, example = answer_and_example(README, r"^\$ (curl .*)$", r"```json\n(.*?)```", server.url)
    assert answer.keys() == example.keys()
    for found, wanted in zip(answer.pop("detections"), example.pop("detections"), strict=True):
        assert found["label"] == wanted["label"]
        assert found["score"] == pytest.approx(wanted["score"], abs=0.001)
        assert found["box"] == pytest.approx(wanted["box"], abs=0.5)
    assert answer["timing_ms"].keys() == example["timing_ms"].keys()
    for key in ("model", "backend", "image", "count", "batch_size"):
        assert answer[key] == example[key]
