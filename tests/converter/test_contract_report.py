"""Reports: what survives the disk, and what is no report."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.contract import REPORT_NAME, Options, Report
from tests.support.converter.reports import IDENTITY, REPORT
from tests.support.places import DATA


def test_a_report_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / REPORT_NAME).write_text(REPORT.to_json(), encoding="utf-8")
    assert Report.read(tmp_path) == REPORT


def test_the_folder_of_its_pictures_comes_back() -> None:
    report = replace(REPORT, options=Options(precision="INT8", images=Path("/some/pictures")))
    assert Report.from_json(report.to_json()) == report


@given(sizes=st.lists(st.integers(1, 256), min_size=1), gpu=st.none() | st.text(), seconds=st.floats(0, 1e6))
def test_any_report_comes_back(sizes: list[int], gpu: str | None, seconds: float) -> None:
    report = replace(REPORT, batch_sizes=tuple(sizes), identity=replace(IDENTITY, gpu=gpu), seconds={"build": seconds})
    assert Report.from_json(report.to_json()) == report


def test_a_report_of_an_older_version_is_read() -> None:
    report = Report.from_json((DATA / "reports" / "frozen.json").read_bytes())
    assert (report.target, report.standard) == ("frozen", None)


def test_what_the_server_would_have_made_comes_back() -> None:
    report = replace(REPORT, standard=Options(target="frozen"))
    assert Report.from_json(report.to_json()) == report


def test_no_report_is_not_an_error(tmp_path: Path) -> None:
    assert Report.read(tmp_path) is None


def changed(**values: object) -> bytes:
    return json.dumps({**json.loads(REPORT.to_json()), **values}).encode()


def part(name: str, **values: object) -> bytes:
    """With these values in the object called `name`."""
    return changed(**{name: {**json.loads(REPORT.to_json())[name], **values}})


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
        pytest.param(changed(colour="red"), id="a field of another version"),
        pytest.param(changed(options=None), id="no options"),
        pytest.param(changed(options={"precision": "FP16"}), id="half the options"),
        pytest.param(part("options", precision="FP8"), id="an option that is not allowed"),
        pytest.param(part("options", batch_sizes="18"), id="an option that is no list"),
        pytest.param(part("options", minimum_segment_size=None), id="an option that is no number"),
        pytest.param(part("options", denylist=[7]), id="an operation without a name"),
        pytest.param(part("options", images=7), id="a folder that is a number"),
        pytest.param(part("options", colour="red"), id="an option of another version"),
        pytest.param(changed(identity={"tensorflow": "2.14.1"}), id="half an identity"),
        pytest.param(part("identity", options=["FP16"]), id="an identity whose options have no names"),
        pytest.param(changed(files=None), id="no files"),
        pytest.param(changed(facts=["engines"]), id="facts without values"),
        pytest.param(changed(batch_sizes=[]), id="no batch sizes"),
        pytest.param(changed(batch_sizes=["--folder"]), id="batch sizes that are words"),
        pytest.param(changed(batch_sizes=[0]), id="a batch of nothing"),
    ],
)
def test_a_report_that_can_not_be_understood_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / REPORT_NAME).write_bytes(content)
    with pytest.raises(ValueError, match="can't be understood"):
        Report.read(tmp_path)


@pytest.mark.parametrize("name", [item.name for item in fields(Report) if item.name not in ("files", "standard")])
def test_a_report_lacks_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="can't be understood"):
        Report.from_json(without(name).decode())


@pytest.mark.parametrize("name", ["environment", "seconds", "facts", "probe", "latency", "agreement", "files"])
@pytest.mark.parametrize("value", [None, 1, "text", ["list"]])
def test_what_has_names_must_be_an_object(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: Input should be an object"):
        Report.from_json(changed(**{name: value}).decode())


def test_a_folder_called_report_json_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / REPORT_NAME).mkdir()
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        Report.read(tmp_path)
