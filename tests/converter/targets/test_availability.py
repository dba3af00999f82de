"""The sentence that says why a kind of copy can't be made on a machine."""

from typing import Any

import pytest

from converter import targets
from converter.machine import environment
from converter.machine.environment import Environment
from tests.support.converter.machines import found

LIBRARY = "TensorRT's library libnvinfer.so.8 was not found: TensorFlow 2.14.1 looks for it along LD_LIBRARY_PATH"
NO_GPU = "TensorFlow sees no NVIDIA GPU: there is no NVIDIA driver"
HIDDEN = "TensorFlow sees no NVIDIA GPU; there is a driver, so CUDA's libraries are missing or the GPU is hidden"


@pytest.mark.parametrize("target", ["trt", "frozen"])
def test_everything_can_be_made_where_everything_is(target: str) -> None:
    assert targets.KINDS[target].availability(found()) == environment.Availability(True)


@pytest.mark.parametrize(
    ("facts", "code", "reason"),
    [
        ({"gpus": ()}, "no_gpu", NO_GPU),
        ({"gpus": (), "driver": "550.54.15"}, "no_gpu", HIDDEN),
        ({"tensorrt_loaded": None}, "library_missing", LIBRARY),
        ({"tensorrt_loaded": None, "gpus": ()}, "library_missing", f"{LIBRARY}; {NO_GPU}"),
        (
            {"tensorflow": "2.18.0", "tensorrt_linked": None, "tensorrt_loaded": None},
            "tf_without_tensorrt",
            "TensorFlow 2.18.0 was built without TF-TRT (2.17 is the last with it)",
        ),
        (
            {"tensorrt_loaded": (10, 0, 1)},
            "version_mismatch",
            "TensorRT 10.0.1 was found, but TensorFlow 2.14.1 needs 8.4.3 or a later 8.x",
        ),
        (
            {"tensorrt_loaded": (8, 4, 2)},
            "version_mismatch",
            "TensorRT 8.4.2 was found, but TensorFlow 2.14.1 needs 8.4.3 or a later 8.x",
        ),
        (
            {"tensorrt_loaded": (7, 2, 3), "gpus": ()},
            "version_mismatch",
            f"TensorRT 7.2.3 was found, but TensorFlow 2.14.1 needs 8.4.3 or a later 8.x; {NO_GPU}",
        ),
        ({"crash": "it ended by SIGABRT"}, "probe_crashed", "the check of TensorFlow failed: it ended by SIGABRT"),
    ],
)
def test_trt_says_why_it_can_not_be(facts: dict[str, Any], code: str, reason: str) -> None:
    assert targets.KINDS["trt"].availability(found(**facts)) == environment.Availability(False, code, reason)


@pytest.mark.parametrize("loaded", [(8, 4, 3), (8, 5, 3), (8, 6, 1)])
def test_the_linked_tensorrt_and_later_ones_of_its_line_will_do(loaded: tuple[int, int, int]) -> None:
    assert targets.KINDS["trt"].availability(found(tensorrt_loaded=loaded)).available


@pytest.mark.parametrize("facts", [{"gpus": ()}, {"tensorrt_loaded": None}, {"tensorrt_linked": None}])
def test_frozen_needs_neither_gpu_nor_tensorrt(facts: dict[str, Any]) -> None:
    assert targets.KINDS["frozen"].availability(found(**facts)).available


def test_frozen_needs_a_tensorflow_that_works() -> None:
    assert targets.KINDS["frozen"].availability(Environment(crash="it ended by SIGILL")).code == "probe_crashed"
