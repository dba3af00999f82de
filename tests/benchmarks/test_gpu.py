"""`make bench-gpu` without a GPU: its points are kept and rendered, and a tiny part runs from end to end."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import models, parts, table
from benchmarks.gpu.points import Points

FIGURES = {
    **{"per_s": 100.0, "p50_ms": 10.0, "p99_ms": 20.0, "p999_ms": 99.0, "longest_ms": 120.0},
    **{"not_2xx": 0, "broken": 1},
}


def key(backend: str, step: str, **more: Any) -> dict[str, Any]:
    return {"model": "bundled", "backend": backend, "precision": "FP16", "settings": {}, "step": step, **more}


def page(folder: Path) -> Path:
    written = folder / "gpu.md"
    written.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    return written


def test_a_point_is_there_for_whoever_comes_next_even_after_a_line_was_cut_off(tmp_path: Path) -> None:
    points = Points(tmp_path / "points.jsonl")
    points.add(key("native", "1x1"), {"per_s": 1})
    with points.file.open("a") as file:
        file.write('{"key": {"mod')
    again = Points(points.file)
    assert again.has(key("native", "1x1"))
    assert not again.has(key("native", "1x8"))


def test_points_become_tables_and_a_plot(tmp_path: Path) -> None:
    points = Points(tmp_path / "points.jsonl")
    for backend, rate in (("onnx", 250.0), ("native", 100.0)):
        for connections in (1, 8):
            given = key(backend, "http", connections=connections, seconds=2.0)
            points.add(given, {**FIGURES, "per_s": rate * connections})
    points.add(key("onnx", "4x8"), {"per_s": 3000.0, "p50_ms": 9.0})
    points.add(key("onnx", "agreement", of="onnx", batch=3), {"verdict": "agrees", "reason": "all of it"})
    points.add(key("onnx", "mixed"), {"callers": 8, "pictures": 90, "verdict": "agrees", "reason": "0 of 90"})
    table.render(points.file, page(tmp_path))
    text, picture = (tmp_path / "gpu.md").read_text(), (tmp_path / table.PLOT).read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| native |  | 1.00 |  | 1 | 2.0 | 100.0 | 10.0 | 20.0 | yes | 1 |" in text
    assert "| onnx |  | 2.50 | 0.67 | 8 | 2.0 | 2000.0 |" in text
    assert "| onnx | 3 | agrees | all of it |" in text
    assert "| onnx |  | 8 | 90 | agrees | 0 of 90 |" in text
    assert picture.count("<polyline") == 2


def test_ratios_are_of_one_run_and_the_newest_one_is_drawn(tmp_path: Path) -> None:
    points = Points(tmp_path / "points.jsonl")
    for run, backend, rate in (
        ("2026-01-01", "native", 100.0),
        ("2026-01-01", "trt", 300.0),
        ("2026-01-02", "native", 200.0),
    ):
        points.add(key(backend, "http", connections=8, seconds=2.0, run=run), {**FIGURES, "per_s": rate})
    table.render(points.file, page(tmp_path))
    text, picture = (tmp_path / "gpu.md").read_text(), (tmp_path / table.PLOT).read_text()
    newest, oldest = text.index("copies, 2026-01-02"), text.index("copies, 2026-01-01")
    assert newest < text.index("| native |  | 1.00 |  | 8 | 2.0 | 200.0 |") < oldest < text.index("| trt |  | 3.00 |")
    assert picture.count("<polyline") == 2
    assert ">300</text>" in picture
    assert ">100</text>" not in picture, "native of the older run"


def test_every_part_has_a_name_of_its_model_and_backend() -> None:
    for name, part in parts.every().items():
        assert name.startswith(part.model)
        assert part.does in ("build", "load", "orders", "mixed", "agreement", "beside")


def test_a_model_of_ones_own_must_have_been_put_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="copy the folder of your SavedModel there"):
        models.model(tmp_path, parts.OWN, "FP16", {})


@pytest.mark.heavy
@pytest.mark.tensorflow
def test_a_tiny_part_runs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    tiny = ["--connections", "2", "--seconds", "1", "--layouts", "1x1", "--raw-seconds", "0.5"]
    kept = ["--work", str(tmp_path), "--points", str(tmp_path / "points.jsonl")]
    command = [sys.executable, "-m", "benchmarks.gpu", "bundled/native", *tiny, *kept]
    first, again = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert '"step": "http"' in first.stdout
    assert '"step"' not in again.stdout
