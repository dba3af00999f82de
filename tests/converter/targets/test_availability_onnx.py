"""What copies for ONNX Runtime need of a machine: packages, and nothing else."""

import pytest

from converter import targets
from converter.machine import environment
from converter.machine.environment import Environment


@pytest.mark.tensorflow
def test_the_packages_that_are_there_are_told() -> None:
    assert environment.probe().onnx == environment.FOR_ONNX


def test_onnx_needs_neither_gpu_nor_tensorrt() -> None:
    assert targets.KINDS["onnx"].availability(Environment(tensorflow="2.14.1", onnx=environment.FOR_ONNX)).available


@pytest.mark.parametrize(
    ("there", "missing"),
    [((), "onnxruntime and onnx and tf2onnx and simplejpeg"), (("onnxruntime", "onnx", "simplejpeg"), "tf2onnx")],
)
def test_without_its_packages_the_extra_is_named(there: tuple[str, ...], missing: str) -> None:
    assert targets.KINDS["onnx"].availability(Environment(tensorflow="2.14.1", onnx=there)) == environment.Availability(
        False, "onnx_missing", f"{missing} can't be imported: pip install '.[onnx]'"
    )


def test_onnx_needs_a_tensorflow_that_works() -> None:
    found = Environment(crash="it ended by SIGILL", onnx=environment.FOR_ONNX)
    assert targets.KINDS["onnx"].availability(found).code == "probe_crashed"
