"""Copies of models of every kind find what their models find, or say why there are none."""

import json
from pathlib import Path

import pytest

from tests.support.converter.made import program
from tests.support.models.declared import KINDS
from tests.support.zoo import zoo

__all__ = ["zoo"]  # a fixture

pytestmark = pytest.mark.tensorflow

# Each takes some ten seconds: one for each way through the converter, the others where time is no matter.
FEW = ("uint8_many", "float_fixed", "old")
OTHERS = tuple(kind for kind in KINDS if kind not in FEW)


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(FEW, id="few", marks=pytest.mark.heavy),
        pytest.param(OTHERS, id="others", marks=pytest.mark.long),
    ],
)
def test_their_copies_agree_or_say_why_there_are_none(kinds: tuple[str, ...], zoo: Path) -> None:
    said = json.loads(program("zoo_copies.py", zoo, *map(Path, kinds), within_s=900))
    assert said.keys() == set(kinds)
    for kind, copies in said.items():
        assert copies["frozen"][0] == "agrees", (kind, copies)
        word, reason = copies["onnx"]
        if kind == "retinanet":
            assert (word, "TensorFlow would be needed for the network itself" in reason) == ("none", True)
        else:
            assert word == "agrees", (kind, reason)
