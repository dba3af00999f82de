"""The real TF-TRT on a CPU: what it makes of the bundled model, and that a copy without engines is never taken for one.

A library that only says its version stands in for TensorRT's, so the graph is converted and saved but no engine built.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import clean_environ
from converter import targets
from converter.comparison import probe
from converter.contract import CopyRefused
from converter.disk import checks
from converter.machine import environment
from converter.machine.child import Limits
from converter.model import engines
from converter.tftrt import nonconverted
from tests.support.converter.made import program
from tests.support.standin import EnginelessCopy

pytestmark = pytest.mark.tensorflow

NEVER_BUILT = (
    "1 of its 1 TensorRT engines were never built: assets/trt-serialized-engine.TRTEngineOp_000_000 is missing"
)


def test_tensorflow_loads_the_library_and_only_the_gpu_is_missing(standin_library: Path) -> None:
    found = environment.probe({**os.environ, "LD_LIBRARY_PATH": str(standin_library), "CUDA_VISIBLE_DEVICES": ""})
    assert (found.tensorrt_linked, found.tensorrt_loaded, found.crash) == ((8, 4, 3), (8, 5, 3), None)
    assert targets.KINDS["trt"].availability(found) == environment.Availability(
        False, "no_gpu", "TensorFlow sees no NVIDIA GPU: there is no NVIDIA driver"
    )


def test_tftrt_makes_engines_of_most_operations(engineless_copy: EnginelessCopy) -> None:
    facts = engineless_copy.facts
    assert facts["engines"] >= 1
    assert facts["operations"] * 0.75 < facts["operations_converted"] < facts["operations"]
    assert facts["converted_by_type"]["Conv2D"] == 83
    assert len(facts["engine_details"]) == len(engineless_copy.saved["attributes"]) == facts["engines"]
    assert [engine["built_for"] for engine in facts["engine_details"]] == [[]]


def test_each_operation_left_out_has_its_reasons(engineless_copy: EnginelessCopy) -> None:
    left = {each["operation"]: each["reasons"] for each in nonconverted.read(engineless_copy.log)}
    assert left["DecodeJpeg"] == {"Op type DecodeJpeg is not supported.": 1}
    assert left["Cast"]["Cast op is not supported - Allowed input dtypes: [float, half]. Received: int32"] > 0


def test_the_shapes_that_engines_were_built_for_are_read_from_their_file(tmp_path: Path) -> None:
    said = json.loads(program("engine_file.py", tmp_path / "trt-serialized-engine.TRTEngineOp_000_000"))
    assert said == [[[1, 416, 416, 3], [1, 1, 4]], [[8, 416, 416, 3], [8, 1, 4]]]


def test_the_nodes_are_found_in_the_file_as_tensorflow_finds_them(engineless_copy: EnginelessCopy) -> None:
    assert engines.find(engineless_copy.folder).nodes == set(engineless_copy.saved["attributes"])


def test_the_original_has_no_engines() -> None:
    assert engines.find(bundled_model() / "1").nodes == frozenset()


@pytest.mark.parametrize(
    ("target", "reason", "sentence"),
    [
        ("trt", "no_engine", f"1_trt: {NEVER_BUILT}"),
        (
            "frozen",
            "not_what_it_says",
            "1_trt: its graph has TensorRT engines, so it is a TF-TRT copy and must be offered as one",
        ),
    ],
)
def test_without_engines_it_is_refused_before_anything_loads_it(
    engineless_trt: Path, target: str, reason: str, sentence: str
) -> None:
    assert engines.lacking(engineless_trt) == NEVER_BUILT
    with pytest.raises(CopyRefused) as refusal:
        checks.check_kind(engineless_trt, targets.KINDS[target])
    assert (refusal.value.reason, str(refusal.value)) == (reason, sentence)


def test_a_file_that_only_looks_like_an_engine_does_not_run(engineless_trt: Path, tmp_path: Path) -> None:
    forged = shutil.copytree(engineless_trt, tmp_path / "1_trt")
    (forged / "assets" / "trt-serialized-engine.TRTEngineOp_000_000").write_bytes(b"no engine")
    checks.check_kind(forged, targets.KINDS["trt"])  # it has the files of a copy
    with pytest.raises(CopyRefused, match="at batch size 1: No OpKernel was registered") as refusal:
        probe.run(probe.Request(folder=forged, target="trt", batch_sizes=(1,)), limits=Limits.within(60))
    assert refusal.value.reason == "probe_failed"


def test_it_can_not_be_the_original_of_another_copy(engineless_trt: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "converter", str(engineless_trt), "--target", "frozen"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "copy")],
        env=clean_environ({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "convert: 1_trt is a TF-TRT copy: its graph has TensorRT engines; the SavedModel it was made from is needed"
    )
    assert list(tmp_path.iterdir()) == []
