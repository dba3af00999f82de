"""The network in half precision, as much of it as still finds the same objects on the pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from converter import sampling
from converter.agreement import Agreement, Limits, compare, total
from converter.contract import ConversionFailed
from converter.cutting.flat import Flat
from converter.cutting.half import halved
from converter.cutting.parts import Cut
from converter.cutting.rows import Runs
from converter.detections import Detections, from_outputs
from converter.onnx_layout import COUNT
from converter.progress import Progress

# Rounding errors of the first layers pass through all others. Shares of the network's depth that stay in FP32:
_KEPT = (0.0, 0.125, 0.25, 0.5)
_LEAST_IOU, _MOST_SCORE_DIFF = 0.99, 0.01  # of any object
_RESERVE = 0.5  # of both, for other pictures and other hardware
_LIMITS = Limits(margin=0.01)


@dataclass(frozen=True, slots=True)
class _Example:
    """A picture, the values from which the network starts, and what native finds."""

    jpeg: bytes
    values: Mapping[str, Any]
    found: Detections


def reduce(
    flat: Flat, parts: Cut, runs: Runs, photos: Sequence[bytes], progress: Progress
) -> tuple[Any, dict[str, Any]]:
    """The network's model in FP16, with facts; ConversionFailed if it finds other objects however little is in FP16.

    As much is in FP16 as agrees on the pictures with something in reserve; half where they show nothing to compare.
    """
    examples = [_example(flat, parts, runs, photo) for photo in photos]
    for number, kept in enumerate(_KEPT):
        progress.part(number, len(_KEPT))
        model, operations = halved(parts.network_model, kept)
        agreed = _agreement(flat, parts, runs, model, examples)
        if agreed.matched and _close(agreed, _RESERVE):
            break
    if agreed.native_boxes and not _close(agreed, 1.0):
        raise ConversionFailed(
            "with half of its network in FP16 it finds other objects than in FP32, or scores them so"
        )
    return model, {
        "kept_in_fp32": kept,
        "operations_in_fp16": operations,
        "least_iou": float(agreed.ious.min()) if agreed.matched else None,
        "largest_score_difference": agreed.largest_score_diff,
    }


def _close(agreed: Agreement, share: float) -> bool:
    """Whether no object differs by more than a share of what is allowed; where none was found, nothing is known."""
    alone = agreed.missing + agreed.extra + agreed.class_flips  # a score beside the model's own threshold may do that
    if not agreed.matched or alone > share * (1 - _LIMITS.matched) * agreed.boxes:
        return False
    far = 1 - float(agreed.ious.min()) > share * (1 - _LEAST_IOU)
    return not far and float(agreed.score_diffs.max()) <= share * _MOST_SCORE_DIFF


def _example(flat: Flat, parts: Cut, runs: Runs, photo: bytes) -> _Example:
    names = [tensor for tensor, value in parts.begins.items() if value in parts.network.feeds]
    found = runs.run([*names, *flat.outputs.values()], [photo])
    values = {parts.begins[tensor]: value for tensor, value in zip(names, found[: len(names)], strict=True)}
    values[COUNT] = np.int32(1)
    return _Example(photo, values, _detections(dict(zip(flat.outputs, found[len(names) :], strict=True)), photo))


def _agreement(flat: Flat, parts: Cut, runs: Runs, model: Any, examples: Sequence[_Example]) -> Agreement:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def comparisons() -> Iterator[Any]:
        for example in examples:
            outputs = _outputs(flat, parts, runs, session, example)
            yield compare(example.found, _detections(outputs, example.jpeg), _LIMITS)

    return total(comparisons())


def _outputs(flat: Flat, parts: Cut, runs: Runs, session: Any, example: _Example) -> Mapping[str, Any]:
    """What the graph gives when its network is this session's."""
    reads = {each.name: np.asarray(example.values[each.name]) for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]
    values = dict(zip(names, session.run(names, reads), strict=True))
    if parts.tail is None:
        return values
    given = {tensor: values[value] for value, tensor in parts.ends.items() if value not in flat.outputs}
    rest = list(parts.tail.fetches)
    found = runs.run([flat.outputs[name] for name in rest], [example.jpeg], given)
    return {**values, **dict(zip(rest, found, strict=True))}


def _detections(outputs: Mapping[str, Any], photo: bytes) -> Detections:
    (found,) = from_outputs(outputs, [sampling.size_of(photo)])
    return found
