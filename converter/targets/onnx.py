"""Copies for ONNX Runtime, which run on any machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.contract import Options
from converter.kind import Kind, Memory
from converter.machine.environment import FOR_ONNX, Availability, Environment
from converter.model.onnx_layout import HEAD, LAYOUT_NAME, NETWORK, PICTURE, TAIL, Layout
from converter.progress import Progress

_SAVED = "saved_model.pb"


def _make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    from converter.graph import export

    return export.make(source, into, options, progress)


def _first_parting(source: Path, options: Options) -> str | None:
    from converter.graph import parting

    return parting.first(source, options)


def _needs(found: Environment) -> Availability:
    missing = [name for name in FOR_ONNX if name not in found.onnx]
    if not missing:
        return Availability(True)
    reason = f"{' and '.join(missing)} can't be imported: pip install '.[onnx]'"
    return Availability(False, "onnx_missing", reason)


def _mistake(folder: Path) -> tuple[str, str] | None:
    if not (folder / LAYOUT_NAME).is_file() and (folder / _SAVED).is_file():
        return "not_what_it_says", f"it is a SavedModel: a copy for ONNX Runtime has a {LAYOUT_NAME}"
    try:
        missing = [str(path) for path in _files(Layout.read(folder)) if not (folder / path).is_file()]
    except ValueError as error:
        return "incomplete", str(error)
    return ("incomplete", f"{missing[0]} is missing, which its {LAYOUT_NAME} names") if missing else None


def _files(layout: Layout) -> list[Path]:
    """Those that a layout names."""
    pictures = [Path(PICTURE)] if layout.picture else []
    saved = [Path(name, _SAVED) for name, part in ((HEAD, layout.head), (TAIL, layout.tail)) if part]
    return [Path(NETWORK), *pictures, *saved]


KIND = Kind(
    name="onnx",
    title="ONNX copy",
    runner="onnxruntime",
    steps=("load", "convert", "save"),
    format=2,  # large weights lie beside the network
    made_by=("onnxruntime", "tf2onnx"),
    memory=Memory(times=4.3, plus_bytes=450 << 20),
    shaped_by=("precision",),
    precisions=("FP32", "FP16"),
    wanted_on=frozenset({"cpu", "gpu"}),
    needs=_needs,
    mistake=_mistake,
    make=_make,
    first_parting=_first_parting,
)
