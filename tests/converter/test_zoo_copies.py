"""Copies of models of every kind find what their models find, or say why there are none."""

import json
import os
from pathlib import Path

import pytest

from tests.converter.made import program
from tests.models.declared import KINDS
from tests.zoo import zoo

__all__ = ["zoo"]  # a fixture

pytestmark = pytest.mark.tensorflow

# Each takes some ten seconds: all of them where time is no matter, elsewhere one for each way through the converter.
FEW = ("uint8_many", "float_fixed", "old")
ALL = tuple(KINDS) if {"CI", "DETECTOR_TEST_SYSTEM"} & os.environ.keys() else FEW


@pytest.fixture(scope="module")
def said(zoo: Path) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads(program("zoo_copies.py", zoo, *map(Path, ALL), within_s=600))
    return found


@pytest.mark.parametrize("kind", ALL)
def test_its_copies_agree_or_say_why_there_are_none(kind: str, said: dict[str, dict[str, list[str]]]) -> None:
    assert said[kind]["frozen"][0] == "agrees", said[kind]
    word, reason = said[kind]["onnx"]
    if kind == "retinanet":
        assert (word, "TensorFlow would be needed for the network itself" in reason) == ("none", True)
    else:
        assert word == "agrees", reason
