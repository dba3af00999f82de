"""A frozen copy is loaded without the graphs that TensorFlow's loader would hold, and answers the same."""

import json
from pathlib import Path

import pytest

from app.settings import bundled_model
from tests.support.converter.made import Made, program

pytestmark = pytest.mark.tensorflow

DOG = Path("tests/data/dog.jpg")


def test_it_answers_as_if_tensorflow_had_loaded_it_and_leaves_nothing(frozen_copy: Made) -> None:
    said = json.loads(program("loaded_directly.py", frozen_copy.folder, bundled_model() / "1", DOG))
    assert said.pop("largest_difference") < 1e-4
    assert set(said.pop("same_specs")) == {True}
    assert said == {
        "kinds": ["DirectFunction"],
        "source": False,  # an original is run as it came
        "registered": [True, True],
        "left": [False, False],
    }
