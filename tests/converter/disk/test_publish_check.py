"""Which copies may be loaded, and which are refused before anything loads them."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from converter import targets
from converter.contract import REPORT_NAME, CopyRefused, Identity, Options
from converter.disk import checks
from tests.support.converter.reports import IDENTITY, REPORT

ENGINE_NODE = b"\x0a\x13TRTEngineOp_000_000\x12\x0bTRTEngineOp"
# What copies made here and now depend on.
NOW = {"trt": IDENTITY, "frozen": replace(IDENTITY, options={}, tensorrt=None, gpu=None, compute_capability=None)}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def frozen(folder: Path, target: str = "frozen") -> Path:
    """A complete frozen copy, made here and now."""
    return complete(write(folder, {"saved_model.pb": b"graph", "variables/data": b"weights"}), "frozen", target)


def trt(folder: Path, target: str = "trt") -> Path:
    """A complete TF-TRT copy with its engine."""
    files = {"saved_model.pb": ENGINE_NODE, "assets/trt-serialized-engine.TRTEngineOp_000_000": b"plan"}
    return complete(write(folder, files), "trt", target)


def complete(folder: Path, kind: str, target: str) -> Path:
    report = replace(REPORT, target=target, options=Options(target=kind), identity=NOW[kind], files={})
    checks.add_report(folder, report)
    return folder


COPIES: list[tuple[Callable[[Path], Path], str]] = [(frozen, "frozen"), (trt, "trt")]


@pytest.mark.parametrize(("make", "target"), COPIES)
def test_a_copy_made_here_and_now_may_be_loaded(tmp_path: Path, make: Callable[[Path], Path], target: str) -> None:
    report = checks.check(make(tmp_path / "copy"), targets.KINDS[target], NOW[target])
    assert report is not None
    assert (report.target, report.batch_sizes) == (target, (1, 4))
    assert checks.usable_report(tmp_path / "copy", targets.KINDS[target], NOW[target]) == report


def test_the_report_has_the_checksum_of_every_other_file_and_their_size(tmp_path: Path) -> None:
    report = checks.check(frozen(tmp_path), targets.KINDS["frozen"], NOW["frozen"])
    assert report is not None
    assert set(report.files) == {"saved_model.pb", "variables/data"}
    assert report.size_bytes == len(b"graph") + len(b"weights")


def test_a_copy_without_a_report_is_told_apart(tmp_path: Path) -> None:
    assert checks.check(write(tmp_path, {"saved_model.pb": b"graph"}), targets.KINDS["frozen"], NOW["frozen"]) is None


def tampered(folder: Path, name: str, content: bytes | None) -> Path:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [("saved_model.pb", b"grapf"), ("variables/data", b"weigh"), ("variables/data", b""), ("variables/data", None)],
    ids=["changed", "cut off", "empty", "missing"],
)
def test_a_file_that_is_not_the_one_written_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    with pytest.raises(CopyRefused, match=f"is damaged: {name} is not the file that was written") as refusal:
        checks.check(tampered(frozen(tmp_path), name, content), targets.KINDS["frozen"], NOW["frozen"])
    assert refusal.value.reason == "damaged"


# Another identity: each field and each option, for each target

OTHERS: dict[str, Any] = {"format": 99, "libraries": {"another": "another"}}
FIELDS = [item.name for item in fields(Identity) if item.name != "options"]
EACH = [
    (make, target, name)
    for make, target in COPIES
    for name in [*FIELDS, *(targets.KINDS[target].shaped_by or targets.KINDS["trt"].shaped_by)]
]


@pytest.mark.parametrize(("make", "target", "name"), EACH, ids=[f"{target} {name}" for _, target, name in EACH])
def test_a_copy_of_another_identity_is_refused_naming_what_differs(
    tmp_path: Path, make: Callable[[Path], Path], target: str, name: str
) -> None:
    report = json.loads((make(tmp_path) / REPORT_NAME).read_text())
    where = report["identity"] if name in FIELDS else report["identity"]["options"]
    where[name] = OTHERS.get(name, "another")
    (tmp_path / REPORT_NAME).write_text(json.dumps(report))
    what = {"source_sha256": "belongs to another model"}.get(name, "belongs to something else")
    what = what if name in FIELDS else "has other options than are asked for"
    with pytest.raises(CopyRefused, match=f" {what}: it was made with ({name}|another) (another|99), ") as refusal:
        checks.check(tmp_path, targets.KINDS[target], NOW[target])
    assert refusal.value.reason == "identity"
    assert checks.usable_report(tmp_path, targets.KINDS[target], NOW[target]) is None


@pytest.mark.parametrize(
    ("make", "target", "reason", "sentence"),
    [
        (lambda folder: folder, "frozen", "incomplete", "can't be read: No such file or directory"),
        (lambda folder: folder, "trt", "incomplete", "can't be read: No such file or directory"),
        (frozen, "trt", "no_engine", "its graph has no TensorRT engine: TF-TRT converted nothing"),
        (trt, "frozen", "not_what_it_says", "its graph has TensorRT engines, so it is a TF-TRT copy"),
        (
            lambda folder: frozen(folder, "onnx"),
            "frozen",
            "not_what_it_says",
            "was made as 'onnx', not as 'froz",
        ),
        (
            lambda folder: tampered(trt(folder), "assets/trt-serialized-engine.TRTEngineOp_000_000", None),
            "trt",
            "no_engine",
            "1 of its 1 TensorRT engines were never built",
        ),
        (lambda folder: tampered(frozen(folder), REPORT_NAME, b"{"), "frozen", "incomplete", "can't be understood"),
    ],
    ids=[
        "nothing there",
        "nothing there for trt",
        "trt without engines",
        "engines in a frozen copy",
        "another kind",
        "an engine is missing",
        "broken report",
    ],
)
def test_what_is_not_what_it_says_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], target: str, reason: str, sentence: str
) -> None:
    with pytest.raises(CopyRefused, match=sentence) as refusal:
        checks.check(make(tmp_path), targets.KINDS[target], NOW[target])
    assert refusal.value.reason == reason
    assert checks.usable_report(tmp_path, targets.KINDS[target], NOW[target]) is None
