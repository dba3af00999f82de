"""Operations that tf2onnx gets wrong, or ONNX Runtime refuses, give what TensorFlow's do, or are left to it."""

import json
from typing import Any

import pytest

from tests.support.converter.made import program

pytestmark = pytest.mark.tensorflow

LEFT = {"resized_by_area": "ResizeArea", "too_large_a_kernel": "ExtractImagePatches"}
SAME = (
    *("floor_div_int32", "floor_div_int64", "floor_div_int16", "floor_div_int8", "floor_div_by_negative", "ceil_div"),
    *("floor_mod", "floor_mod_by_negative", "truncate_mod", "truncate_div", "in_a_loop"),
    *("reorg", "overlapping", "apart", "of_bytes"),
)
NEARLY = {
    **dict.fromkeys(("narrow", "four_bits", "by_arguments", "by_channel"), 1e-5),
    **dict.fromkeys(("there_and_back", "there_and_back_narrow", "there_and_back_unsigned"), 1e-5),
    **dict.fromkeys(("in_its_own_range", "in_its_own_range_unsigned", "in_no_range"), 1e-5),
    "in_float64": 1e-4,
}
IN_BFLOAT16 = 0.5  # of sums that reach 30: it has three digits


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(program("operations.py", tmp_path_factory.mktemp("frozen")))
    return found


@pytest.mark.parametrize(
    ("name", "most"), [*((name, 0.0) for name in SAME), *NEARLY.items(), ("in_bfloat16", IN_BFLOAT16)]
)
def test_it_gives_what_tensorflow_gives(said: dict[str, Any], name: str, most: float) -> None:
    assert said[name] <= most


def test_a_model_with_a_gradient_of_its_own_is_frozen(said: dict[str, Any]) -> None:
    assert said["frozen"] <= 1e-5


@pytest.mark.parametrize("name", LEFT)
def test_what_would_become_something_else_is_left_to_tensorflow(said: dict[str, Any], name: str) -> None:
    (operation,) = said[name]
    assert operation.endswith(LEFT[name])


def test_the_operation_at_which_values_part_is_told_and_none_that_passes_them_on(said: dict[str, Any]) -> None:
    (found,) = said["parted"]
    assert found.startswith("Sub here: by up to 0.5 where values reach ")
