"""The network of an ONNX copy in FP32 or FP16: what of it can't be in FP16 is found on photos."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.description import Description, Input
from converter.graph import copy_files
from converter.graph.cut import Cut
from converter.graph.flat import Flat
from converter.graph.passes.half import ends, to_half
from converter.graph.passes.ranges import beyond, largest_of, observed
from converter.graph.passes.rounding import round_in_fp32
from converter.machine import memory
from converter.model.onnx_copy import OnnxCopy
from converter.model.providers import CPU

Calls = Callable[[], Iterable[Any]]  # what a copy takes, call by call, anew each time
_DEPTHS = (0.0, 0.2)  # that are tried
_SAFE_DEPTH = 0.4  # of a network whose results those move too far
# Most that a last result may move. Those are logits, 0.1 of which is at most 0.025 of a score, and places of boxes in
# the sizes of their anchors or cells. All of RetinaNet in FP16: 0.03; all of YOLOX-Nano: 1.2.
_MOVED = 0.1
_CALLS = 8  # on which that is measured
_MOST_TOLD = 10  # operations


def of_copy(flat: Flat, parts: Cut, precision: str, *, on: Calls) -> tuple[Any, dict[str, Any]]:
    """The network, and what to tell about it; it is tried in FP16 `on` these calls."""
    network = parts.network_model
    if precision == "FP32":
        return network, {"precision": precision}
    largest = _largest(flat, parts, on())
    depths = (each for each in _DEPTHS if _moved(flat, parts, largest, each, islice(on(), _CALLS)) <= _MOVED)
    depth = next(depths, _SAFE_DEPTH)
    kept = beyond(network, largest, depth)
    network, operations = to_half(network, kept, depth=depth)
    told = [kept[name] for name in kept][:_MOST_TOLD]
    facts = {"operations_in_fp16": operations, "depth_in_fp32": depth}
    return network, {"precision": precision, **facts, "too_large_for_fp16": len(kept), "kept_in_fp32": told}


def _largest(flat: Flat, parts: Cut, on: Iterable[Any]) -> dict[str, float]:
    """The largest values of the tensors that may be in FP16, found by running the copy in FP32."""
    model, names = observed(parts.network_model)
    found: dict[str, float] = {}
    if not names:  # as where all learnt operations are inside a loop
        return found
    opened = _opened(flat, parts, model, names)
    del model  # it has the weights once more, until they are in a file
    with opened as copy:
        for values in on:
            for name, value in copy.outputs(values).items():
                found[largest_of(name)] = float(np.maximum(found.get(largest_of(name), 0.0), value))  # keeps a NaN
    return found


def _moved(flat: Flat, parts: Cut, largest: Mapping[str, float], depth: float, on: Iterable[Any]) -> float:
    """The most that FP16 from this depth on moves a value of the last learnt operations; infinite if none is known."""
    model = parts.network_model
    if not (names := ends(model)):
        return np.inf
    calls = list(on)
    with tempfile.TemporaryDirectory(prefix="results-") as root, _giving(model, names):
        # One after the other, since each holds the weights.
        with _opened(flat, parts, model, names) as copy:
            for number, values in enumerate(calls):
                np.savez(Path(root, f"{number}.npz"), *map(copy.outputs(values).__getitem__, names))
        with _opened(flat, parts, _rounded(model, largest, depth), names) as copy:
            return max(
                (_apart(_kept(root, n, names), copy.outputs(values)) for n, values in enumerate(calls)), default=np.inf
            )


def _kept(root: str, number: int, names: Sequence[str]) -> dict[str, Any]:
    """What a call gave, by name."""
    with np.load(Path(root, f"{number}.npz")) as found:
        return dict(zip(names, (found[each] for each in found.files), strict=True))


def _rounded(model: Any, largest: Mapping[str, float], depth: float) -> Any:
    """The model with the errors of FP16 from this depth on, for a CPU."""
    half, _ = to_half(model, beyond(model, largest, depth), depth=depth)
    round_in_fp32(half)
    return half


def _apart(found: Mapping[str, Any], moved: Mapping[str, Any]) -> float:
    """The most that two values of one name differ; infinite if they are no numbers."""
    most = max(float(np.abs(values - moved[name]).max(initial=0.0)) for name, values in found.items())
    return most if np.isfinite(most) else np.inf


@contextmanager
def _giving(model: Any, names: Sequence[str]) -> Iterator[None]:
    """Have a model give these tensors too, for as long as the block runs: a copy of it would hold its weights again."""
    given = [each.name for each in model.graph.output]
    more = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in given]
    model.graph.output.extend(more)
    try:
        yield
    finally:
        del model.graph.output[len(given) :]


@contextmanager
def _opened(flat: Flat, parts: Cut, network: Any, names: Sequence[str]) -> Iterator[OnnxCopy]:
    """A copy with this network on the CPU that gives values of these names alone, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="precision-") as root:
        folder = Path(root)
        copy_files.write(flat, replace(parts, tail=None), network, folder)
        del network  # its weights are in the file
        memory.give_back()
        layout = copy_files.layout(flat, replace(parts, tail=None))
        replace(layout, outputs=tuple(names), network=replace(layout.network, writes=tuple(names))).write(folder)
        # What its boxes mean isn't known yet, and nothing here asks for it.
        Description(input=Input(name=flat.input_name), outputs={}, boxes="yxyx_norm").write(folder)
        with closing(OnnxCopy(folder, providers=[CPU])) as copy:
            yield copy
