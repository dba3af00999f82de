"""Converts MODEL with the real TF-TRT on a machine without a GPU and saves it at FOLDER with no engine built.

Run in a process of its own: `python tests/converter/convert_without_gpu.py MODEL FOLDER`. It needs libraries called
libnvinfer.so.8 and libnvinfer_plugin.so.8 (see standin.c) along LD_LIBRARY_PATH. What it did, and what the saved files
say, is one JSON object on standard output.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.compiler.tensorrt import trt_convert

from converter.contract import Options
from converter.targets import trt


def on_a_gpu(*args: object, **kwargs: object) -> SimpleNamespace:
    """What TF-TRT makes to learn the name of the GPU: a tensor that says it is on one."""
    return SimpleNamespace(device="/device:GPU:0")


def convert(source: Path, folder: Path) -> dict[str, Any]:
    """The steps of `converter.targets.trt.make` without `build`; the facts for a report."""
    trt_convert.array_ops.zeros = on_a_gpu
    converter = trt.convert(source, Options())
    trt.forbid_runtime_building(converter)
    facts = trt.facts(converter)
    converter.save(str(folder))
    return facts


def saved(folder: Path) -> dict[str, Any]:
    """What the saved graph says of its outputs and its engines."""
    model = SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    meta = model.meta_graphs[0]
    engines = [node for node in nodes(meta.graph_def) if node.op == "TRTEngineOp"]
    return {
        "outputs": sorted(meta.signature_def["serving_default"].outputs),
        "may_build": {node.name: node.attr["_allow_build_at_runtime"].b for node in engines},
    }


def nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


if __name__ == "__main__":
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.stdout.write(json.dumps({"facts": convert(source, folder), "saved": saved(folder)}))
