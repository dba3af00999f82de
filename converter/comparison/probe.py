"""Runs a SavedModel or an ONNX copy on real photos at every batch size in a process of its own: what does it answer?

For a TF-TRT copy the process forbids TensorFlow to fall back to its native segments
(`TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False`): only then does an answer prove that TensorRT ran.
Run by itself: `python -m converter.comparison.probe '{"folder": "models/yolox_nano/1"}'` (see `Request`).
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from converter import stored, targets
from converter.comparison.timing import percentiles
from converter.contract import ConversionFailed, CopyRefused, UnusableModel
from converter.description import Declared, Description
from converter.machine import child
from converter.machine.error_text import first_line
from converter.model import prediction, sampling
from converter.model.box_forms import Outputs
from converter.model.detections import Detections
from converter.model.prediction import Predictor, WrongBatch

STRICT = {"TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION": "False"}
FEWEST_RUNS, MOST_RUNS, ENOUGH_S = 10, 100, 1.0
_LOWEST_SCORE = 0.05  # what is below does not count in any comparison


class _Broken(Exception):
    """The model loads and does not run; what was raised is its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is run, and on what."""

    folder: Path
    target: str | None = None  # the kind of copy; None: an original
    batch_sizes: tuple[int, ...] = (1, 8)  # of an original those that don't work are left out, of a copy each must work
    images: Path | None = None  # a folder of pictures; None: the packaged ones and variations of them
    declared: Declared = field(default_factory=Declared)  # of an original; a copy knows it


@dataclass(frozen=True, slots=True)
class Probed:
    """What a model did, by batch size."""

    # first_s, then mean_s of the runs after it (as in Google's 2019 article), p50_s, p95_s, p99_s, and how many runs
    latency: dict[str, dict[str, float]]
    detections: dict[str, list[Detections]]  # of each photo, in order
    description: Description
    left_out: dict[str, str]  # batch sizes that don't work, and why


def run(request: Request, *, limits: child.Limits, on_line: Callable[[str], None] = lambda line: None) -> Probed:
    """Run a model as it is asked for.

    `on_line` gets what it writes to standard error: a library that is missing ends the process, and only that says why.
    CopyRefused if it does not load, does not run, or runs only by falling back to native segments; ConversionFailed
    if it took more than `limits`.
    """
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **STRICT}
    arguments = ("converter.comparison.probe", stored.to_json(request))
    try:
        done = child.run(*arguments, limits=limits, environ=environ, on_line=on_line)
    except child.OverLimit as error:
        raise ConversionFailed(f"running the model {error}, and was ended") from error
    if done.returncode != 0:
        raise _refusal(done)
    return parse(done.stdout)


def parse(stdout: str) -> Probed:
    """What the process printed, read."""
    answer = json.loads(stdout.splitlines()[-1])
    found = {size: [_detections(rows) for rows in pictures] for size, pictures in answer["detections"].items()}
    description = Description.from_json(json.dumps(answer["description"]))
    return Probed(answer["latency"], found, description, answer["left_out"])


def _refusal(done: child.Ended) -> CopyRefused:
    if "disallowed engine native segment" in done.stderr:
        return CopyRefused("native_fallback", "the copy runs only by falling back to TensorFlow's native segments")
    if done.signal_name:
        return CopyRefused("probe_failed", f"the copy ended its process by {done.signal_name}")
    return CopyRefused("probe_failed", f"the copy does not run: {_last_line(done.stderr)}")


def _detections(rows: list[list[float]]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _measure(request: Request) -> dict[str, Any]:
    """What the process prints; it ends with a sentence if the model doesn't run."""
    photos = sampling.pictures(request.images)
    found = _Found(_load(request), photos, request)
    try:
        found.model.description = prediction.describe_boxes(found.model, sampling.packaged())
        sizes = list(prediction.working_batch_sizes(request.batch_sizes, found.model.description.input, found.works))
    except UnusableModel as error:
        sys.exit(str(error))
    except _Broken as error:
        print(error.__cause__, file=sys.stderr)
        sys.exit(str(error) if found.latency else f"at batch size 1: {error}")
    if not sizes:
        sys.exit(next(f"at batch size {size}: {why}" for size, why in found.left_out.items()))
    return {
        "latency": found.latency,
        "detections": found.detections,
        "description": asdict(found.model.description),
        "left_out": found.left_out,
    }


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

    def __init__(self, model: Predictor) -> None:
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
        return _Guarded(Loaded(request.folder, may_have_engines=True, declared=request.declared))
    except UnusableModel as error:
        sys.exit(str(error))


def _onnx_copy(request: Request) -> _Guarded:
    from converter.model.onnx_copy import OnnxCopy

    try:
        return _Guarded(OnnxCopy(request.folder))
    # ONNX Runtime's errors have no class in common, and a part may be TensorFlow's.
    except Exception as error:
        sys.exit(f"it does not load: {first_line(error)}")


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
    best = [each.best(threshold=_LOWEST_SCORE, limit=len(each)) for each in found]
    return [np.column_stack([each.boxes, each.scores, each.classes]).astype(float).tolist() for each in best]


if __name__ == "__main__":
    if child.ENDS_WITH_STDIN in sys.argv:
        child.end_with_stdin()
    print(json.dumps(_measure(stored.from_json(Request, sys.argv[1], "the request"))))
