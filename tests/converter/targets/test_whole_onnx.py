"""`python -m converter MODEL --target onnx`, from beginning to end."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from converter import targets
from converter.contract import Report
from converter.disk import checks
from converter.model.onnx_layout import Layout
from tests.support.converter.made import program

pytestmark = pytest.mark.tensorflow

STEPS = ["check", "native", "load", "convert", "save", "verify", "publish"]


@dataclass(frozen=True)
class Converted:
    """The copy, and how the command ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]


def convert(model: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "converter", str(model), "--target", "onnx", "--boxes", "yxyx_norm", *options],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    model = Path(program("small_detector.py", tmp_path_factory.mktemp("small") / "1"))
    (model / "assets.extra").mkdir()
    (model / "assets.extra" / "labels.txt").write_text("person\n")
    done = convert(model, "--precision", "fp16", "--batch-sizes", "2", "--images", "converter/photos")
    return Converted(model.with_name("1_onnx"), done)


def test_the_command_makes_a_copy_beside_the_model(converted: Converted) -> None:
    assert converted.done.returncode == 0, converted.done.stderr
    assert sorted(path.name for path in converted.folder.iterdir()) == [
        "assets.extra",
        "description.json",
        "layout.json",
        "network.onnx",
        "picture.onnx",
        "report.json",
    ]
    assert Layout.read(converted.folder).input_name == "jpegs"


def test_each_step_is_told(converted: Converted) -> None:
    said = [json.loads(line) for line in converted.done.stderr.splitlines() if line.startswith('{"step"')]
    assert [event["step"] for event in said if event["state"] == "done"] == STEPS


def test_the_report_tells_where_it_was_cut_and_how_it_agrees(converted: Converted) -> None:
    report = Report.from_json(converted.done.stdout)
    assert (report.target, report.options.precision, report.batch_sizes) == ("onnx", "FP16", (2,))
    assert report.identity.options == {"precision": "FP16", "boxes": "yxyx_norm"}
    assert (report.identity.gpu, report.identity.tensorrt) == (None, None)
    assert (report.facts["cut"], report.facts["why"]) == ("at the decoder", {})
    assert report.facts["operations_by_type"]["picture"]["ResizeBilinear"] == 1
    assert report.facts["operations_by_type"]["network"]["Conv2D"] == 3
    assert report.facts["libraries"].keys() == {"onnx", "tf2onnx", "onnxruntime"}
    assert set(report.latency) == {"native", "onnx"}
    assert report.agreement["2"]["verdict"] == "agrees"


def test_what_fp16_can_not_hold_stays_in_fp32(converted: Converted) -> None:
    report = Report.from_json(converted.done.stdout)
    assert report.facts["operations_in_fp16"] >= 1
    kept = [each.partition(" ")[0] for each in report.facts["kept_in_fp32"]]
    assert {"Conv", "Mul"} <= set(kept)
    assert report.facts["too_large_for_fp16"] == len(kept)
    assert Layout.read(converted.folder).mixed


def test_the_copy_may_be_loaded_until_a_file_is_another(converted: Converted) -> None:
    report = Report.from_json(converted.done.stdout)
    assert checks.usable_report(converted.folder, targets.KINDS["onnx"], report.identity) == report
    network = converted.folder / "network.onnx"
    contents = network.read_bytes()
    network.write_bytes(contents[:-1])
    assert checks.usable_report(converted.folder, targets.KINDS["onnx"], report.identity) is None
    network.write_bytes(contents)


def test_int8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    done = convert(tmp_path, "--precision", "int8", "--images", "converter/photos")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "convert: an ONNX copy is in FP32 or FP16, not in INT8"
