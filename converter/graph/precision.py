"""The network of an ONNX copy in FP32 or FP16: what of it can't be in FP16 is found on photos."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
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
    with tempfile.TemporaryDirectory(prefix="results-") as root:
        trials = _Trials(flat, parts, on, Path(root))
        largest = trials.largest()
        depth = next((each for each in _DEPTHS if trials.moved(largest, each) <= _MOVED), _SAFE_DEPTH)
    kept = beyond(network, largest, depth)
    network, operations = to_half(network, kept, depth=depth)
    told = [kept[name] for name in kept][:_MOST_TOLD]
    facts = {"operations_in_fp16": operations, "depth_in_fp32": depth}
    return network, {"precision": precision, **facts, "too_large_for_fp16": len(kept), "kept_in_fp32": told}


@dataclass(frozen=True, slots=True)
class _Trials:
    """A copy that is run on the CPU: in FP32 first, and then with the errors of FP16 from some depth on.

    One network is opened after the other, since each holds the weights.
    """

    flat: Flat
    parts: Cut
    on: Calls
    results: Path  # an empty folder, for what the last learnt operations give in FP32

    def largest(self) -> dict[str, float]:
        """The largest values of the tensors that may be in FP16; the last results of the first calls are kept."""
        model, names = observed(self.parts.network_model)
        last = ends(model)
        wanted, found = [*names, *last], dict[str, float]()
        if not wanted:  # as where all learnt operations are inside a loop
            return found
        _give(model, last)
        opened = self._opened(model, wanted)
        del model  # it has the weights once more, until they are in a file
        with opened as copy:
            for number, values in enumerate(self.on()):
                outputs = copy.outputs(values)
                for name in names:
                    found[largest_of(name)] = float(np.maximum(found.get(largest_of(name), 0.0), outputs[name]))
                if number < _CALLS:
                    np.savez(self._kept(number), *map(outputs.__getitem__, last))
        return found

    def moved(self, largest: Mapping[str, float], depth: float) -> float:
        """The most that FP16 from this depth on moves a last result; infinite if none is known."""
        model = self.parts.network_model
        if not (names := ends(model)):
            return np.inf
        given = len(model.graph.output)
        _give(model, names)  # a copy of it would hold its weights again
        half = _rounded(model, largest, depth)
        del model.graph.output[given:]
        opened = self._opened(half, names)
        del half
        with opened as copy:
            calls = enumerate(islice(self.on(), _CALLS))
            return max((self._apart(number, copy.outputs(values)) for number, values in calls), default=np.inf)

    def _kept(self, number: int) -> Path:
        return self.results / f"{number}.npz"

    def _apart(self, number: int, moved: Mapping[str, Any]) -> float:
        """The most that a call's results differ from those in FP32; infinite if they are no numbers."""
        with np.load(self._kept(number)) as found:
            pairs = zip((found[each] for each in found.files), moved.values(), strict=True)
            most = max(float(np.abs(exact - values).max(initial=0.0)) for exact, values in pairs)
        return most if np.isfinite(most) else np.inf

    @contextmanager
    def _opened(self, network: Any, names: Sequence[str]) -> Iterator[OnnxCopy]:
        """A copy with this network that gives values of these names alone, for as long as the block runs."""
        parts = replace(self.parts, tail=None)
        with tempfile.TemporaryDirectory(prefix="precision-") as root:
            folder = Path(root)
            copy_files.write(self.flat, parts, network, folder)
            del network  # its weights are in the file
            memory.give_back()
            layout = copy_files.layout(self.flat, parts)
            replace(layout, outputs=tuple(names), network=replace(layout.network, writes=tuple(names))).write(folder)
            # What its boxes mean isn't known yet, and nothing here asks for it.
            Description(input=Input(name=self.flat.input_name), outputs={}, boxes="yxyx_norm").write(folder)
            with closing(OnnxCopy(folder, providers=[CPU])) as copy:
                yield copy


def _give(model: Any, names: Iterable[str]) -> None:
    """Have a model give these tensors too."""
    given = {each.name for each in model.graph.output}
    more = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in given)
    model.graph.output.extend(more)


def _rounded(model: Any, largest: Mapping[str, float], depth: float) -> Any:
    """The model with the errors of FP16 from this depth on, for a CPU."""
    half, _ = to_half(model, beyond(model, largest, depth), depth=depth)
    round_in_fp32(half)
    return half
