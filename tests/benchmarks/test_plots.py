"""The plots of `benchmarks/results`."""

import json
from pathlib import Path

from benchmarks import plots

ROUND = {"1": {"rate": 30.0}, "8": {"rate": 45.0}, "32": {"rate": 48.0}}


def test_each_backend_that_was_measured_is_a_line(tmp_path: Path) -> None:
    for name in ("native", "onnx"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"raw": [], "rounds": [ROUND, ROUND]}))
    assert plots.drawn(tmp_path) == [tmp_path / "throughput.svg"]
    assert (tmp_path / "throughput.svg").read_text().count("<polyline") == 2


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    assert plots.drawn(tmp_path) == []
