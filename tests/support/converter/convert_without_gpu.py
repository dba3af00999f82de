"""Converts MODEL with the real TF-TRT on a machine without a GPU and saves it at FOLDER with no engine built.

Run in a process of its own: `python tests/support/converter/convert_without_gpu.py MODEL FOLDER [OPTIONS]`, options of
`python -m converter`. It needs libraries called libnvinfer.so.8 and libnvinfer_plugin.so.8 (see standin.c) along
LD_LIBRARY_PATH. What it did, and what the saved files say, is one JSON object on standard output.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.compiler.tensorrt import trt_convert
from tensorflow.python.framework import op_def_registry

from converter import command
from converter.contract import Options
from converter.model import sampling, signature
from converter.tftrt import convert as tftrt
from converter.tftrt import engine_facts
from converter.tftrt.keeping import kept_facts

KEPT = (
    "precision_mode",
    "profile_strategy",
    "workspace_size_bytes",
    "max_cached_engines_count",
    "use_calibration",
    "_allow_build_at_runtime",
    "_use_implicit_batch",
)


def on_a_gpu(*args: object, **kwargs: object) -> SimpleNamespace:
    """What TF-TRT makes to learn the name of the GPU: a tensor that says it is on one."""
    return SimpleNamespace(device="/device:GPU:0")


def convert(source: Path, folder: Path, options: Options) -> dict[str, Any]:
    """The steps of `converter.tftrt.convert.make` without `build`; what they told and what they saved."""
    trt_convert.array_ops.zeros = on_a_gpu
    _, served = signature.load(source)
    converter = tftrt.convert(source, options, served, sampling.pictures(options.images))
    calibration = converter._calibration_input_fn
    converter._calibrated = True  # it would have been, by build()
    if not options.build_at_run_time:
        tftrt.forbid_runtime_building(converter)
    tftrt.save(converter, folder, save_engines=options.save_engines)
    return {
        "facts": {**engine_facts.read(converter, folder), **kept_facts(converter)},
        "calibrated_on": [tensor.shape.as_list() for batch in calibration() for tensor in batch.values()]
        if calibration
        else [],
        "saved": saved(folder),
    }


def saved(folder: Path) -> dict[str, Any]:
    """What the saved graph says of its outputs and its engines."""
    model = SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    meta = model.meta_graphs[0]
    engines = [node for node in nodes(meta.graph_def) if node.op == "TRTEngineOp"]
    return {
        "outputs": sorted(meta.signature_def["serving_default"].outputs),
        "attributes": {node.name: {name: value(node, name) for name in KEPT} for node in engines},
        "inside": sorted({each.op for node in engines for each in segment(meta.graph_def, node)}),
    }


def segment(graph: Any, engine: Any) -> Any:
    name = engine.attr["segment_func"].func.name
    return next((function.node_def for function in graph.library.function if function.signature.name == name), ())


def value(node: Any, name: str) -> Any:
    """Of an attribute of a node; a saved graph leaves out what is the operation's default."""
    defaults = {each.name: each.default_value for each in op_def_registry.get(node.op).attr}
    attribute = node.attr[name] if name in node.attr else defaults[name]
    found = getattr(attribute, attribute.WhichOneof("value"))
    return found.decode() if isinstance(found, bytes) else found


def nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


if __name__ == "__main__":
    args = command.parser().parse_args([sys.argv[1], *sys.argv[3:]])
    tf.get_logger().setLevel("ERROR")
    sys.stdout.write(json.dumps(convert(args.model, Path(sys.argv[2]), command.order(args).options)))
