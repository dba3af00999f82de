"""TF-TRT. What it was asked for is in the copy, as `assets/asked.json`."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorflow import models
from tensorflow.points import SAYS, reach

NODE = "TRTEngineOp_000_000"
LOG = Path(__file__).parents[7] / "data" / "tftrt.log"
Batches = Callable[[], Iterator[dict[str, Any]]]


class TrtGraphConverterV2:
    """One engine for the whole network."""

    def __init__(self, **parameters: Any) -> None:
        self.asked: dict[str, Any] = {"parameters": parameters, "denylist": os.environ["TF_TRT_OP_DENYLIST"]}
        self._node: Any = SimpleNamespace(name=NODE, attr=defaultdict(SimpleNamespace))
        self._node.attr["precision_mode"].s = parameters["precision_mode"].encode()
        self._node.attr["profile_strategy"].s = str(parameters["dynamic_shape_profile_strategy"]).encode()
        self._node.attr["InT"].list = SimpleNamespace(type=[1])
        self._node.attr["input_shapes"].list = SimpleNamespace(
            shape=[SimpleNamespace(dim=[SimpleNamespace(size=size) for size in (-1, 416, 416, 3)])]
        )
        self._node.attr["segment_func"].func = SimpleNamespace(name="segment")
        segment = SimpleNamespace(signature=SimpleNamespace(name="segment"), node_def=["operation"] * 744)
        self._converted_graph_def = SimpleNamespace(library=SimpleNamespace(function=[segment]))
        self._converted_func = None

    def _for_each_trt_node(self, graph: Any, function: Callable[[Any], None]) -> None:
        function(self._node)

    def convert(self, calibration_input_fn: Batches | None = None) -> None:
        reach("convert")
        sys.stderr.write(LOG.read_text())
        self.asked["calibrated_on"] = sizes(calibration_input_fn) if calibration_input_fn else []

    def build(self, input_fn: Batches) -> None:
        self.asked["built_for"] = sizes(input_fn)
        reach("build")

    def save(self, folder: str, *, save_gpu_specific_engines: bool, options: Any) -> None:
        reach("save")
        models.write(Path(folder), NODE)
        assets = Path(folder) / "assets"
        assets.mkdir()
        self.asked["may_build"] = getattr(self._node.attr["_allow_build_at_runtime"], "b", True)
        (assets / "asked.json").write_text(json.dumps(self.asked))
        if save_gpu_specific_engines and not SAYS.get("builds_nothing"):
            (assets / f"trt-serialized-engine.{NODE}").write_bytes(b"plan")

    def summary(self, *, line_length: int, detailed: bool, print_fn: Callable[[str], None]) -> None:
        print_fn("Total number of operations converted: 84.26% [744/883]")
        print_fn("\t- Conv2D: 83x")


def sizes(batches: Batches) -> list[int]:
    return [len(batch["image_bytes"]) for batch in batches()]


def _construct_function_from_graph_def(function: Any, graph: Any) -> Any:
    return function
