"""Options, identities and reports: what is allowed, what differs, what survives the disk."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import BadOptions, ConversionFailed, ConverterError, CopyRefused, TargetUnavailable, UnusableModel
from converter.contract import REPORT_NAME, Identity, Options, Report

IDENTITY = Identity(
    source_sha256="ab" * 32,
    tensorflow="2.14.1",
    tensorrt="8.5.3",
    gpu="NVIDIA H100 80GB HBM3",
    compute_capability="9.0",
)
REPORT = Report(
    target="trt",
    options=Options(precision="FP16", batch_sizes=(1, 4)),
    identity=IDENTITY,
    created="2026-11-25T09:00:00+00:00",
    seconds={"convert": 1.8, "build": 112.0},
    size_bytes=5_300_000,
    batch_sizes=(1, 4),
    facts={"engines": 1, "operations": 882, "operations_converted": 744},
    probe={"1": {"first_s": 4.0, "mean_s": 0.01}},
    files={"saved_model.pb": "cd" * 32},
)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "FP8"}, "precision 'FP8' is not one of FP32, FP16, INT8"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of"),
        ({"precision": "INT8"}, "INT8 needs a calibration on real images"),
        ({"batch_sizes": ()}, "batch sizes must be whole numbers from 1 up, at least one of them"),
        ({"batch_sizes": (0, 8)}, "batch sizes must be whole numbers from 1 up"),
        ({"batch_sizes": (8, -1)}, "batch sizes must be whole numbers from 1 up"),
        ({"minimum_segment_size": 0}, "minimum segment size and the workspace must be 1 or more"),
        ({"workspace_bytes": 0}, "minimum segment size and the workspace must be 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadOptions, match=sentence):
        Options(**options)


def test_the_defaults_are_the_mission() -> None:
    options = Options()
    assert (options.target, options.precision, options.batch_sizes) == ("trt", "FP32", (1, 8))


def test_each_kind_of_failure_has_an_exit_code_and_a_code_of_its_own() -> None:
    kinds: list[type[ConverterError]] = [BadOptions, UnusableModel, TargetUnavailable, ConversionFailed, CopyRefused]
    assert set(kinds) == set(ConverterError.__subclasses__())
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 5, 6]
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_the_same_identity_has_no_mismatch() -> None:
    assert IDENTITY.mismatch(replace(IDENTITY)) is None


@pytest.mark.parametrize(
    ("field", "other", "made_with", "here"),
    [
        ("source_sha256", "cd" * 32, "abababababab…", "cdcdcdcdcdcd…"),
        ("tensorflow", "2.15.0", "2.14.1", "2.15.0"),
        ("tensorrt", "8.6.1", "8.5.3", "8.6.1"),
        ("tensorrt", None, "8.5.3", "none"),
        ("gpu", "NVIDIA L4", "NVIDIA H100 80GB HBM3", "NVIDIA L4"),
        ("compute_capability", "8.9", "9.0", "8.9"),
    ],
)
def test_a_mismatch_names_the_field_and_both_values(field: str, other: Any, made_with: str, here: str) -> None:
    now = replace(IDENTITY, **{field: other})
    assert IDENTITY.mismatch(now) == f"it was made with {field} {made_with}, here it is {here}"


def test_every_field_of_an_identity_counts() -> None:
    for field in fields(Identity):
        assert field.name in str(IDENTITY.mismatch(replace(IDENTITY, **{field.name: "other"})))


def test_a_report_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / REPORT_NAME).write_text(REPORT.to_json(), encoding="utf-8")
    assert Report.read(tmp_path) == REPORT


@given(sizes=st.lists(st.integers(1, 256), min_size=1), gpu=st.none() | st.text(), seconds=st.floats(0, 1e6))
def test_any_report_comes_back(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], gpu: str | None, seconds: float
) -> None:
    folder = tmp_path_factory.mktemp("report")
    report = replace(REPORT, batch_sizes=tuple(sizes), identity=replace(IDENTITY, gpu=gpu), seconds={"build": seconds})
    (folder / REPORT_NAME).write_text(report.to_json(), encoding="utf-8")
    assert Report.read(folder) == report


def test_no_report_is_not_an_error(tmp_path: Path) -> None:
    assert Report.read(tmp_path) is None


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(REPORT.to_json()), **values}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(REPORT.to_json()).items() if key != name}).encode()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(without("identity"), id="no identity"),
        pytest.param(without("probe"), id="no probe"),
        pytest.param(changed(colour="red"), id="a field of another version"),
        pytest.param(changed(options=None), id="no options"),
        pytest.param(changed(options={"precision": "FP8", "batch_sizes": [1]}), id="options that are not allowed"),
        pytest.param(changed(options={"batch_sizes": "18"}), id="options that are no numbers"),
        pytest.param(changed(identity={"tensorflow": "2.14.1"}), id="half an identity"),
        pytest.param(changed(files=None), id="no files"),
        pytest.param(changed(facts=["engines"]), id="facts without values"),
        pytest.param(changed(batch_sizes=[]), id="no batch sizes"),
        pytest.param(changed(batch_sizes=["--folder"]), id="batch sizes that are words"),
        pytest.param(changed(batch_sizes=[0]), id="a batch of nothing"),
    ],
)
def test_a_report_that_can_not_be_understood_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / REPORT_NAME).write_bytes(content)
    with pytest.raises(ValueError, match=r"^report\.json can't be understood: "):
        Report.read(tmp_path)


def test_a_folder_called_report_json_can_not_be_understood(tmp_path: Path) -> None:
    (tmp_path / REPORT_NAME).mkdir()
    with pytest.raises(ValueError, match="can't be understood"):
        Report.read(tmp_path)
