"""Plots of what is in benchmarks/results: `python -m benchmarks.plots`, a part of `make pictures`.

`make bench` leaves BACKEND.json there: from these comes throughput.svg. `make bench-peers` leaves peers.json: from it
comes peers.svg. What has not been measured is not drawn.
"""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu import plot as lines
from benchmarks.peers import plot as bars
from benchmarks.peers import tables
from benchmarks.throughput import RESULTS

_BACKENDS = ("native", "onnx", "frozen", "trt")
_TITLE = "YOLOX-Nano, make bench"


def main() -> None:
    """Draw all plots."""
    for plot in drawn(RESULTS):
        print(plot)


def drawn(folder: Path) -> list[Path]:
    """Draw what the folder has results for; the plots' files."""
    results = {name: folder / f"{name}.json" for name in _BACKENDS}
    found = {name: _rates(json.loads(file.read_text())) for name, file in results.items() if file.is_file()}
    plots = {"throughput.svg": lines.svg({_TITLE: found})} if found else {}
    if (peers := folder / "peers.json").is_file():
        plots["peers.svg"] = bars.drawn(tables.summary(json.loads(peers.read_text())["rounds"]))
    for name, text in plots.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in plots]


def _rates(found: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Pictures a second by connections: the medians of the rounds."""
    rounds = found["rounds"]
    return [(int(count), statistics.median(one[count]["rate"] for one in rounds)) for count in rounds[0]]


if __name__ == "__main__":
    main()
