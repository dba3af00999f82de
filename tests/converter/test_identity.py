"""What a copy depends on, by kind: libraries, and the number that is raised when what a kind writes changes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from converter import targets
from converter.contract import Options, Report
from converter.identity import identify
from tests.support.converter.machines import found
from tests.support.converter.reports import REPORT

VERSIONS = {"onnxruntime": "1.17.3", "tf2onnx": "1.16.1", "onnx": "1.15.0", "simplejpeg": "1.9.0"}


@pytest.mark.parametrize(
    ("target", "libraries"), [("onnx", {"onnxruntime": "1.17.3", "tf2onnx": "1.16.1"}), ("trt", {}), ("frozen", {})]
)
def test_a_kind_depends_on_the_libraries_that_make_it(target: str, libraries: dict[str, str], tmp_path: Path) -> None:
    identity = identify(tmp_path, Options(target=target), found(versions=VERSIONS))
    assert (identity.libraries, identity.format) == (libraries, targets.KINDS[target].format)
    other = identify(tmp_path, Options(target=target), found(versions={**VERSIONS, "tf2onnx": "1.17.0"}))
    told = "it was made with tf2onnx 1.16.1, here it is 1.17.0"
    assert identity.mismatch(other) == (told if libraries else None)


@pytest.mark.parametrize(
    ("target", "told"),
    [("onnx", "it was made with format 1, here it is 2"), ("trt", None), ("frozen", None)],
)
def test_of_copies_from_before_there_were_formats_those_that_changed_are_made_again(
    target: str, told: str | None, tmp_path: Path
) -> None:
    now = identify(tmp_path, Options(target=target), found())
    raw = json.loads(replace(REPORT, identity=now).to_json())
    for name in ("format", "libraries"):
        del raw["identity"][name]
    assert Report.from_json(json.dumps(raw)).identity.mismatch(now) == told
