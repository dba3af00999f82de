"""Copies of models that count, look up, choose, repeat and check answer as they do, or are refused in one sentence."""

import json
from typing import Any

import pytest

from tests.support.converter.made import program

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return json.loads(program("living_copies.py", tmp_path_factory.mktemp("living"), within_s=400))


@pytest.mark.parametrize(
    "model",
    [
        "counted_aside",
        "counted_output_aside",
        "averaged_aside",
        "looked_up",
        "named_aside",
        "gathered",
        "chosen_of_two",
        "chosen_of_four",
        "repeated",
        "checked",
        "compiled",
        "oddly_named",
    ],
)
def test_copies_answer_the_same_and_need_nothing_of_tensorflow(said: Any, model: str) -> None:
    assert said[model]["frozen"][0] < 1e-6
    difference, parts = said[model]["onnx"]
    assert (difference < 1e-5, parts) == (True, ["picture", "network"])


def test_a_copy_whose_network_is_all_in_a_loop_has_nothing_in_half_precision_and_is_made(said: Any) -> None:
    difference, _ = said["repeated"]["half"]
    assert difference < 1e-5


def test_what_is_looked_up_by_text_is_left_to_tensorflow(said: Any) -> None:
    assert said["looked_up_by_name"]["frozen"][0] < 1e-6
    difference, parts = said["looked_up_by_name"]["onnx"]
    assert (difference < 1e-5, parts) == (True, ["picture", "network", "tail"])


@pytest.mark.parametrize("target", ["frozen", "onnx"])
@pytest.mark.parametrize(("model", "variable"), [("counted", "calls"), ("standardised", "kernel")])
def test_what_changes_and_matters_is_named(said: Any, model: str, variable: str, target: str) -> None:
    assert said[model][target].startswith(f"the graph changes its variable {variable} as it runs (Assign")
    assert "\n" not in said[model][target]
