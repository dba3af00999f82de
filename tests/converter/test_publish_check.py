"""Which copies may be loaded, and which are refused before anything loads them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from converter import publish
from converter.contract import REPORT_NAME, CopyRefused, Identity, Options, Report

NOW = Identity(source_sha256="ab" * 32, tensorflow="2.14.1")
ENGINE_NODE = b"\x0a\x13TRTEngineOp_000_000\x12\x0bTRTEngineOp"


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def frozen(folder: Path, **changes: object) -> Path:
    """A complete frozen copy, made here and now."""
    return complete(write(folder, {"saved_model.pb": b"graph", "variables/data": b"weights"}), "frozen", **changes)


def trt(folder: Path, **changes: object) -> Path:
    """A complete TF-TRT copy with its engine."""
    files = {"saved_model.pb": ENGINE_NODE, "assets/trt-serialized-engine.TRTEngineOp_000_000": b"plan"}
    return complete(write(folder, files), "trt", **changes)


def complete(folder: Path, kind: str, **changes: object) -> Path:
    report = Report(
        target=kind,
        options=Options(target=kind),
        identity=NOW,
        created="2026-11-25T09:00:00+00:00",
        seconds={},
        size_bytes=0,
        batch_sizes=(1, 8),
        facts={},
        probe={},
    )
    publish.add_report(folder, replace(report, **changes))  # type: ignore[arg-type]  # any field, by name
    return folder


@pytest.mark.parametrize(("make", "target"), [(frozen, "frozen"), (trt, "trt")])
def test_a_copy_made_here_and_now_may_be_loaded(tmp_path: Path, make: Callable[[Path], Path], target: str) -> None:
    report = publish.check(make(tmp_path / "copy"), target, NOW)
    assert report is not None
    assert (report.target, report.batch_sizes) == (target, (1, 8))


def test_the_report_has_the_checksum_of_every_other_file_and_their_size(tmp_path: Path) -> None:
    report = publish.check(frozen(tmp_path), "frozen", NOW)
    assert report is not None
    assert set(report.files) == {"saved_model.pb", "variables/data"}
    assert report.size_bytes == len(b"graph") + len(b"weights")


def test_a_copy_without_a_report_is_told_apart(tmp_path: Path) -> None:
    assert publish.check(write(tmp_path, {"saved_model.pb": b"graph"}), "frozen", NOW) is None


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
        publish.check(tampered(frozen(tmp_path), name, content), "frozen", NOW)
    assert refusal.value.reason == "damaged"


@pytest.mark.parametrize(
    ("now", "field"),
    [
        (replace(NOW, source_sha256="cd" * 32), "source_sha256"),
        (replace(NOW, tensorflow="2.15.0"), "tensorflow"),
        (replace(NOW, tensorrt="8.6.1"), "tensorrt"),
        (replace(NOW, gpu="NVIDIA L4"), "gpu"),
        (replace(NOW, compute_capability="8.9"), "compute_capability"),
    ],
)
def test_a_copy_of_something_else_is_refused_with_the_field_that_differs(
    tmp_path: Path, now: Identity, field: str
) -> None:
    with pytest.raises(CopyRefused, match=f"belongs to something else: it was made with {field} ") as refusal:
        publish.check(frozen(tmp_path), "frozen", now)
    assert refusal.value.reason == "identity"


@pytest.mark.parametrize(
    ("make", "target", "reason", "sentence"),
    [
        (lambda folder: folder, "frozen", "incomplete", "can't be read: No such file or directory"),
        (lambda folder: folder, "trt", "incomplete", "can't be read: No such file or directory"),
        (frozen, "trt", "no_engine", "its graph has no TensorRT engine: TF-TRT converted nothing"),
        (trt, "frozen", "not_what_it_says", "its graph has TensorRT engines, so it is a TF-TRT copy"),
        (
            lambda folder: frozen(folder, target="onnx"),
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
        publish.check(make(tmp_path), target, NOW)
    assert refusal.value.reason == reason
