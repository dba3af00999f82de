"""Frozen copies: variables become constants, nothing else. The fair yardstick for TF-TRT, which freezes too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.contract import Options
from converter.kind import ONE_PROTOBUF, Kind, Memory
from converter.model import engines
from converter.model.onnx_layout import LAYOUT_NAME
from converter.progress import Progress


def _make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    from converter.graph import freeze

    return freeze.make(source, into, options, progress)


def _mistake(folder: Path) -> tuple[str, str] | None:
    if (folder / LAYOUT_NAME).is_file():
        return "not_what_it_says", "it is a copy for ONNX Runtime and must be offered as one"
    if engines.find(folder).nodes:
        return "not_what_it_says", "its graph has TensorRT engines, so it is a TF-TRT copy and must be offered as one"
    return None


KIND = Kind(
    name="frozen",
    title="Frozen copy",
    runner="tensorflow",
    steps=("load", "convert", "save"),
    wanted_on=frozenset({"gpu"}),
    most_weights_bytes=ONE_PROTOBUF,
    memory=Memory(times=10, plus_bytes=400 << 20),  # TensorFlow, when it optimises a graph with constants
    mistake=_mistake,
    make=_make,
)
