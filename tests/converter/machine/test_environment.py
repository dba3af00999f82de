"""What a machine has, asked in a child."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from converter import targets
from converter.machine import environment, nvidia
from converter.machine.environment import Environment
from tests.support.converter.machines import BUILD, found
from tests.support.places import FAKED
from tests.support.smi import put_smi

H100 = {"device_name": "NVIDIA H100 80GB HBM3", "compute_capability": [9, 0]}
CHATTER = '{nonsense\n{}\n{"severity": "INFO"}\nhello\n'


def machine(**says: Any) -> dict[str, str]:
    """The variables of a child that finds a fake TensorFlow, which says this."""
    return {**os.environ, "PYTHONPATH": str(FAKED), "FAKE_TENSORFLOW": json.dumps(says)}


def ask(environ: Mapping[str, str]) -> Environment:
    """What is found, but for the driver, the GPUs and the packages of the machine that the tests run on."""
    return replace(environment.probe(environ), driver=None, gpu_memory_bytes=(), onnx=(), versions={})


# Asking


@pytest.mark.parametrize(
    ("says", "facts"),
    [
        pytest.param({"loaded": [8, 5, 3], "gpus": [H100]}, {}, id="everything"),
        pytest.param(
            {"loaded": [8, 5, 3], "gpus": [H100, {"device_name": "NVIDIA L4"}]},
            {"gpus": ("NVIDIA H100 80GB HBM3", "NVIDIA L4")},
            id="two GPUs",
        ),
        pytest.param({"gpus": [H100]}, {"tensorrt_loaded": None}, id="no library"),
        pytest.param({"loaded": [8, 5, 3]}, {"gpus": (), "compute_capability": None}, id="no GPU"),
        pytest.param(
            {"gpus": [{}], "loaded": [8, 5, 3]},
            {"gpus": ("unknown",), "compute_capability": None},
            id="a GPU without details",
        ),
        pytest.param(
            {"version": "2.18.0", "linked": [0, 0, 0], "gpus": [H100]},
            {"tensorflow": "2.18.0", "tensorrt_linked": None, "tensorrt_loaded": None},
            id="linked with no TensorRT",
        ),
        pytest.param(
            {"without_tftrt": True, "gpus": [H100]},
            {"tensorrt_linked": None, "tensorrt_loaded": None},
            id="built without TF-TRT",
        ),
        pytest.param({"loaded": [8, 5, 3], "gpus": [H100], "prints": CHATTER}, {}, id="chatter"),
    ],
)
def test_the_child_tells_what_it_finds(says: dict[str, Any], facts: dict[str, Any]) -> None:
    assert ask(machine(**says)) == found(**facts)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        ({"is_cuda_build": True, "cuda_version": "12.5.1", "cudnn_version": "9"}, "v2.19.0 cuda 12.5.1 cudnn 9"),
        ({"is_cuda_build": True}, "v2.19.0 cuda unknown cudnn unknown"),
        ({"is_cuda_build": False, "cuda_version": ""}, "v2.19.0 cpu"),
        ({}, "v2.19.0 cpu"),
    ],
)
def test_the_build_is_named_by_its_commit_and_its_cuda(build: dict[str, Any], text: str) -> None:
    assert environment.probe(machine(commit="v2.19.0", build=build)).tensorflow_build == text


@pytest.mark.parametrize("gpus", [[H100, H100], []], ids=["two GPUs", "no GPU"])
def test_the_memory_of_the_gpus_is_told_where_there_are_some(gpus: list[Any], standin_cuda: Path) -> None:
    asked = environment.probe({**machine(gpus=gpus), "LD_LIBRARY_PATH": str(standin_cuda)})
    assert asked.gpu_memory_bytes == ((80 << 30, 24 << 30) if gpus else ())


def test_the_versions_of_what_makes_onnx_copies_are_told() -> None:
    versions = environment.probe(machine()).versions
    assert set(versions) == set(environment.FOR_ONNX)
    assert versions["onnxruntime"] == onnxruntime.__version__
    assert versions["tf2onnx"] == importlib.metadata.version("tf2onnx")


def test_a_driver_is_told_although_tensorflow_crashes(tmp_path: Path) -> None:
    put_smi(tmp_path, {"gpu=driver_version": "550.54.15"})
    environ = machine(ends_by="SIGABRT")
    asked = environment.probe({**environ, "PATH": f"{tmp_path}:{environ['PATH']}"})
    assert asked.driver == (nvidia.driver() or "550.54.15")
    assert asked.crash == "it ended by SIGABRT"


@pytest.mark.parametrize(
    ("says", "how"),
    [
        ({"ends_by": "SIGABRT"}, "it ended by SIGABRT"),
        ({"ends_by": "SIGSEGV"}, "it ended by SIGSEGV"),
        ({"ends_by": "SIGKILL"}, "it ended by SIGKILL"),
        ({"ends_with": 3}, "it ended by exit code 3"),
        ({"raises": "no driver"}, "it ended by exit code 1"),
    ],
)
def test_a_child_that_crashes_is_told_with_what_it_had_said_before(says: dict[str, Any], how: str) -> None:
    asked = environment.probe(machine(loaded=[8, 5, 3], **says))
    assert (asked.crash, asked.tensorrt_loaded, asked.gpus) == (how, (8, 5, 3), ())


def test_the_last_words_of_a_child_that_crashed_are_kept() -> None:
    assert environment.probe(machine(raises="no driver")).log[-1] == "RuntimeError: no driver"


def test_a_child_that_hangs_is_ended_and_told() -> None:
    assert environment.probe(machine(hangs=True), timeout_s=1) == Environment(crash="it did not answer in 1 s")


def test_a_python_without_tensorflow_is_told(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError(\"No module named 'tensorflow'\")")
    asked = environment.probe({**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (asked.tensorflow, asked.crash) == (None, "it ended by exit code 1")
    assert asked.log[-1] == "ModuleNotFoundError: No module named 'tensorflow'"


def test_a_child_ends_when_the_process_that_asked_is_gone() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "converter.machine.environment", "--ends-with-stdin"],
        env=machine(hangs=True),
        stdin=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=20) == 1


@pytest.mark.tensorflow
def test_this_tensorflow_has_tftrt_and_says_so_without_the_library_or_a_gpu() -> None:
    asked = ask({**os.environ, "LD_LIBRARY_PATH": "", "CUDA_VISIBLE_DEVICES": ""})
    version = importlib.metadata.version("tensorflow")
    assert asked == Environment(tensorflow=version, tensorflow_build=BUILD, tensorrt_linked=(8, 4, 3))
    assert targets.KINDS["trt"].availability(asked).code == "library_missing"
    assert targets.KINDS["frozen"].availability(asked).available


@pytest.mark.parametrize(
    ("tensorflow", "linked", "name"),
    [
        ("2.14.1", (8, 4, 3), "libnvinfer.so.8"),
        ("2.9.0", (7, 2, 2), "libnvinfer.so.7"),
        ("2.15.0", (8, 6, 1), "libnvinfer.so.8.6.1"),
        ("2.17.1", (8, 6, 1), "libnvinfer.so.8.6.1"),
    ],
)
def test_the_library_is_named_as_tensorflow_looks_for_it(
    tensorflow: str, linked: tuple[int, int, int], name: str
) -> None:
    assert environment.library_name(found(tensorflow=tensorflow, tensorrt_linked=linked)) == name


def test_a_version_is_written_with_dots() -> None:
    assert (environment.dotted((8, 5, 3)), environment.dotted(None)) == ("8.5.3", None)


def test_the_facts_are_json_without_the_log() -> None:
    assert json.loads(json.dumps(environment.as_json(found(log=("a line",))))) == {
        "driver": None,
        "tensorflow": "2.14.1",
        "tensorflow_build": BUILD,
        "tensorrt_linked": [8, 4, 3],
        "tensorrt_loaded": [8, 5, 3],
        "gpus": ["NVIDIA H100 80GB HBM3"],
        "gpu_memory_bytes": [],
        "compute_capability": "9.0",
        "onnx": [],
        "versions": {},
        "crash": None,
    }
