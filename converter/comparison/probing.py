"""The program that runs a model for probe.py; it prints one line of JSON (see `probe.parse`).

Run by itself: `python -m converter.comparison.probing '{"folder": "models/yolox_nano/1"}'` (see `probe.Request`).
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from converter import stored, targets
from converter.comparison.probe import Request
from converter.comparison.timing import percentiles
from converter.contract import UnusableModel
from converter.description import Description
from converter.machine import child
from converter.machine.error_text import first_line
from converter.model import describing, prediction, sampling
from converter.model.detections import Detections
from converter.model.found import COUNTING, Outputs
from converter.model.prediction import Predictor, WrongBatch

FEWEST_RUNS, MOST_RUNS, ENOUGH_S = 10, 100, 1.0


class _Broken(Exception):
    """The model loads and does not run; what was raised is its cause."""


def _measure(request: Request) -> dict[str, Any]:
    """What the process prints; it ends with a sentence if the model doesn't run."""
    photos = sampling.pictures(request.images, most=sampling.MOST_COMPARED, most_bytes=sampling.MOST_COMPARED_BYTES)
    model = _load(request)
    if request.most_weights_bytes is not None and model.weights_bytes > request.most_weights_bytes:
        return {"weights_bytes": model.weights_bytes}
    found = _Found(model, photos, request)
    try:
        found.model.description = _described(found.model)
        sizes = list(prediction.working_batch_sizes(request.batch_sizes, found.model.description.input, found.works))
    except UnusableModel as error:
        sys.exit(str(error))
    except _Broken as error:
        print(error.__cause__, file=sys.stderr)
        sys.exit(str(error))
    if not sizes:
        sys.exit(next(f"at batch size {size}: {why}" for size, why in found.left_out.items()))
    return {
        "latency": found.latency,
        "detections": found.detections,
        "description": asdict(found.model.description),
        "left_out": found.left_out,
    }


def _described(model: "_Guarded") -> Description:
    try:
        return describing.describe_boxes(model, sampling.packaged())
    except _Broken as error:
        raise _Broken(f"at batch size {model.description.input.batch or 1}: {error}") from error.__cause__


@dataclass(slots=True)
class _Found:
    """What is found out of a model, size by size."""

    model: "_Guarded"
    photos: list[bytes]
    request: Request
    latency: dict[str, Any] = field(default_factory=dict)
    detections: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def works(self, size: int) -> bool:
        """Run it at this batch size; _Broken if a copy doesn't run."""
        try:
            self.latency[str(size)] = _time(self.model, lambda: _answers(self.model, sampling.batch(self.photos, size)))
            self.detections[str(size)] = _detect(self.model, self.photos, size)
        except _Broken as error:
            if self.request.target is not None:
                raise _Broken(f"at batch size {size}: {error}") from error.__cause__
            self.left_out[str(size)] = str(error)
        return str(size) in self.detections


class _Guarded:
    """A model whose errors are all _Broken."""

    def __init__(self, model: Predictor, *, weights_bytes: int = 0) -> None:
        self.weights_bytes = weights_bytes
        self._model = model
        self.description = model.description
        self.timed = False
        self.first_s: float | None = None  # of the first call of all

    def outputs(self, values: Any) -> Outputs:
        """See `Predictor`."""
        started = time.perf_counter()
        try:
            return self._model.outputs(values)
        # Which errors those of TensorFlow and of ONNX Runtime are, only they know.
        except Exception as error:
            raise _Broken(first_line(error)) from error
        finally:
            self.first_s = self.first_s or time.perf_counter() - started


def _saved_model(request: Request) -> _Guarded:
    import tensorflow as tf

    from converter.model.savedmodel import Loaded

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    try:
        model = Loaded(request.folder, may_have_engines=True, declared=request.declared)
    except UnusableModel as error:
        sys.exit(str(error))
    if request.most_weights_bytes is None:
        return _Guarded(model)
    in_graph = (request.folder / "saved_model.pb").stat().st_size
    return _Guarded(model, weights_bytes=in_graph + model.signature.weights_bytes)


def _onnx_copy(request: Request) -> _Guarded:
    from converter.model.onnx_copy import OnnxCopy

    try:
        return _Guarded(OnnxCopy(request.folder))
    # ONNX Runtime's errors have no class in common, and a part may be TensorFlow's.
    except Exception as error:
        sys.exit(f"it does not load: {first_line(error, request.folder)}")


# How what each library runs is loaded (see `converter.kind.Kind.runner`).
_LOADERS: Mapping[str, Callable[[Request], _Guarded]] = {"tensorflow": _saved_model, "onnxruntime": _onnx_copy}


def _load(request: Request) -> _Guarded:
    runner = "tensorflow" if request.target is None else targets.kind(request.target).runner
    return _LOADERS[runner](request)


def _time(model: _Guarded, call: Any) -> dict[str, float]:
    seconds: list[float] = []
    first = [model.first_s] if model.first_s and not model.timed else []  # it was made to learn what boxes mean
    model.timed = True
    end = time.perf_counter() + ENOUGH_S
    while len(seconds) <= FEWEST_RUNS or (time.perf_counter() < end and len(seconds) <= MOST_RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"first_s": round(max([seconds[0], *first]), 4), **percentiles(seconds[1:]), "runs": len(seconds) - 1}


def _answers(model: _Guarded, jpegs: list[bytes], count: int | None = None) -> list[Detections]:
    """Of the first `count` (None: all); the others fill up the batch."""
    try:
        return prediction.predict(model, jpegs, [sampling.size_of(each) for each in jpegs[:count]])
    except WrongBatch as error:
        raise _Broken(str(error)) from error


def _detect(model: _Guarded, photos: list[bytes], size: int) -> list[list[list[float]]]:
    """Rows of left, top, right, bottom, score, class for each photo; the last batch is filled up with the first."""
    found: list[Detections] = []
    for start in range(0, len(photos), size):
        part = photos[start : start + size]
        found += _answers(model, sampling.batch([*part, *photos], size), len(part))
    best = [each.best(threshold=COUNTING, limit=len(each)) for each in found]
    return [np.column_stack([each.boxes, each.scores, each.classes]).astype(float).tolist() for each in best]


if __name__ == "__main__":
    child.begin()
    print(json.dumps(_measure(stored.from_json(Request, sys.argv[1], "the request"))))
