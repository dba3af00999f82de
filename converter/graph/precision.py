"""The network of an ONNX copy in FP32 or FP16: what of it can't be in FP16 is found on photos."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converter.description import Description, Input
from converter.graph import copy_files
from converter.graph.cut import Cut
from converter.graph.flat import Flat
from converter.graph.passes.half import KEPT, to_half
from converter.graph.passes.ranges import beyond, largest_of, observed
from converter.model.onnx_copy import OnnxCopy
from converter.model.providers import CPU

_MOST_TOLD = 10  # operations


def of_copy(flat: Flat, parts: Cut, precision: str, *, on: Iterable[Any]) -> tuple[Any, dict[str, Any]]:
    """The network, and what to tell about it; `on` is what the copy takes, call by call."""
    network = parts.network_model
    if precision == "FP32":
        return network, {"precision": precision}
    kept = beyond(network, _largest(flat, parts, on))
    network, operations = to_half(network, kept)
    told = [kept[name] for name in kept][:_MOST_TOLD]
    facts = {"operations_in_fp16": operations, "depth_in_fp32": KEPT}
    return network, {"precision": precision, **facts, "too_large_for_fp16": len(kept), "kept_in_fp32": told}


def _largest(flat: Flat, parts: Cut, on: Iterable[Any]) -> dict[str, float]:
    """The largest values of the tensors that would be in FP16, found by running the copy in FP32."""
    model, names = observed(parts.network_model)
    found: dict[str, float] = {}
    if not names:  # as where all learnt operations are inside a loop
        return found
    with tempfile.TemporaryDirectory(prefix="ranges-") as root:
        folder = Path(root)
        copy_files.write(flat, replace(parts, tail=None), model, folder)
        layout = copy_files.layout(flat, replace(parts, tail=None))
        network = replace(layout.network, writes=tuple(names))
        replace(layout, outputs=tuple(names), network=network).write(folder)
        # What its boxes mean isn't known yet, and nothing here asks for it.
        Description(input=Input(name=flat.input_name), outputs={}, boxes="yxyx_norm").write(folder)
        copy = OnnxCopy(folder, providers=[CPU])
        for values in on:
            for name, value in copy.outputs(values).items():
                found[largest_of(name)] = float(np.maximum(found.get(largest_of(name), 0.0), value))  # keeps a NaN
        copy.close()
    return found
