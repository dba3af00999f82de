"""The TensorRT engines that a SavedModel's folder names and holds, read from its files without TensorFlow."""

import re
from dataclasses import dataclass
from pathlib import Path

# TF-TRT names an engine's node TRTEngineOp_000_000 (graph, segment; TRTEngineOp_0_0 or TRTEngineOp_0 in older
# releases) and, where build() made the engine, saves it as assets/trt-serialized-engine.<node>
# (tensorflow/python/compiler/tensorrt/trt_convert.py).
_NODE = re.compile(rb"TRTEngineOp_\d+(?:_\d+)?")
_ASSET = "trt-serialized-engine."


@dataclass(frozen=True, slots=True)
class Engines:
    """Node names in the graph, and those of them whose engine is saved beside it."""

    nodes: frozenset[str]
    saved: frozenset[str]


def find(folder: Path) -> Engines:
    """Look through `folder`; OSError if it has no readable saved_model.pb."""
    graph = (folder / "saved_model.pb").read_bytes()
    nodes = frozenset(name.decode() for name in _NODE.findall(graph))
    files = (file.name for file in (folder / "assets").glob(_ASSET + "*") if file.stat().st_size > 0)
    return Engines(nodes, frozenset(name.removeprefix(_ASSET) for name in files))


def no_original(folder: Path) -> str | None:
    """A sentence saying that `folder` is a TF-TRT copy, of which no other copy can be made; None if it is none."""
    if not find(folder).nodes:
        return None
    return f"{folder.name} is a TF-TRT copy: its graph has TensorRT engines; the SavedModel it was made from is needed"


def lacking(folder: Path) -> str | None:
    """A sentence saying why `folder` is no TF-TRT copy that TensorRT would run, or None if it is one.

    TensorFlow serves a copy without engines silently, and faster than the original because it is frozen,
    so this is asked before anything loads it.
    """
    engines = find(folder)
    if not engines.nodes:
        return "its graph has no TensorRT engine: TF-TRT converted nothing"
    missing = engines.nodes - engines.saved
    if missing:
        return (
            f"{len(missing)} of its {len(engines.nodes)} TensorRT engines were never built: "
            f"assets/{_ASSET}{min(missing)} is missing"
        )
    return None
