"""Runs a SavedModel or an ONNX copy on real photos at every batch size in a process of its own: what does it answer?

For a TF-TRT copy the process forbids TensorFlow to fall back to its native segments
(`TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False`): only then does an answer prove that TensorRT ran.
Run by itself: `python -m converter.probe FOLDER 1,8 [PHOTOS]`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import child, sampling
from converter.contract import ConversionFailed, CopyRefused, UnusableModel
from converter.detections import Detections, from_outputs
from converter.onnx_layout import LAYOUT_NAME
from converter.timing import percentiles

STRICT = {"TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION": "False"}
FEWEST_RUNS, MOST_RUNS, ENOUGH_S = 10, 100, 1.0
_LOWEST_SCORE = 0.05  # what is below does not count in any comparison


Call = Callable[[list[bytes]], Mapping[str, Any]]


class _Broken(Exception):
    """The model loads and does not run; what was raised is its cause."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a model did, by batch size."""

    # first_s, then mean_s of the runs after it (as in Google's 2019 article), p50_s, p95_s, p99_s, and how many runs
    latency: dict[str, dict[str, float]]
    detections: dict[str, list[Detections]]  # of each photo, in order


def run(
    folder: Path,
    batch_sizes: Sequence[int],
    *,
    limits: child.Limits,
    images: Path | None = None,
    hear: Callable[[str], None] = lambda line: None,
) -> Probed:
    """Run the model in `folder` on the pictures of `images` (None: the packaged ones and variations of them).

    `hear` gets what it writes to standard error: a library that is missing ends the process, and only that says why.
    CopyRefused if it does not load, does not run, or runs only by falling back to native segments; ConversionFailed
    if it took more than `limits`.
    """
    sizes = ",".join(map(str, batch_sizes))
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **STRICT}
    arguments = [str(folder), sizes, *([str(images)] if images else [])]
    try:
        done = child.run("converter.probe", *arguments, limits=limits, environ=environ, hear=hear)
    except child.OverLimit as error:
        raise ConversionFailed(f"running the model {error}, and was ended") from error
    if done.returncode == 0:
        return understood(done.stdout)
    if "disallowed engine native segment" in done.stderr:
        raise CopyRefused("native_fallback", "the copy runs only by falling back to TensorFlow's native segments")
    if done.signal_name:
        raise CopyRefused("probe_failed", f"the copy ended its process by {done.signal_name}")
    raise CopyRefused("probe_failed", f"the copy does not run: {_last_line(done.stderr)}")


def understood(stdout: str) -> Probed:
    """What the process printed, read."""
    answer = json.loads(stdout.splitlines()[-1])
    found = {size: [_detections(rows) for rows in pictures] for size, pictures in answer["detections"].items()}
    return Probed(answer["latency"], found)


def _detections(rows: list[list[float]]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _measure(folder: Path, batch_sizes: Sequence[int], photos: list[bytes]) -> dict[str, Any]:
    call = _onnx_copy(folder) if (folder / LAYOUT_NAME).is_file() else _saved_model(folder)
    latency, detections = {}, {}
    for size in batch_sizes:
        try:
            latency[str(size)] = _time(lambda size=size: call(sampling.batch(photos, size)))
            detections[str(size)] = _detect(call, photos, size)
        except _Broken as error:
            print(error.__cause__, file=sys.stderr)
            sys.exit(f"at batch size {size}: {error}")
    return {"latency": latency, "detections": detections}


def _saved_model(folder: Path) -> Call:
    import tensorflow as tf

    from converter.signature import first_line, load

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    try:
        model, signature = load(folder, may_have_engines=True)
    except UnusableModel as error:
        sys.exit(str(error))

    def call(jpegs: list[bytes], _: Any = model) -> Mapping[str, Any]:  # which keeps the model alive
        try:
            return {name: tensor.numpy() for name, tensor in signature(tf.constant(jpegs)).items()}
        except tf.errors.OpError as error:
            raise _Broken(first_line(error)) from error

    return call


def _onnx_copy(folder: Path) -> Call:
    from converter.onnx_copy import OnnxCopy

    try:
        copy = OnnxCopy(folder)
    # ONNX Runtime's errors have no class in common, and a part may be TensorFlow's.
    except Exception as error:
        sys.exit(f"it does not load: {_first_line(error)}")

    def call(jpegs: list[bytes]) -> Mapping[str, Any]:
        try:
            return copy.run(jpegs)
        except Exception as error:
            raise _Broken(_first_line(error)) from error

    return call


def _first_line(error: Exception) -> str:
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _time(call: Any) -> dict[str, float]:
    seconds: list[float] = []
    end = time.perf_counter() + ENOUGH_S
    while len(seconds) <= FEWEST_RUNS or (time.perf_counter() < end and len(seconds) <= MOST_RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"first_s": round(seconds[0], 4), **percentiles(seconds[1:]), "runs": len(seconds) - 1}


def _detect(call: Any, photos: list[bytes], size: int) -> list[list[list[float]]]:
    """Rows of left, top, right, bottom, score, class for each photo; the last batch is filled up with the first."""
    found: list[Detections] = []
    for start in range(0, len(photos), size):
        part = photos[start : start + size]
        found += from_outputs(call(sampling.batch([*part, *photos], size)), [sampling.size_of(each) for each in part])
    best = [each.best(threshold=_LOWEST_SCORE, limit=len(each)) for each in found]
    return [np.column_stack([each.boxes, each.scores, each.classes]).astype(float).tolist() for each in best]


def _main(folder: str, sizes: str, images: str | None = None) -> None:
    photos = sampling.pictures(Path(images) if images else None)
    print(json.dumps(_measure(Path(folder), [int(size) for size in sizes.split(",")], photos)))


if __name__ == "__main__":
    if child.ENDS_WITH_STDIN in sys.argv:
        child.end_with_stdin()
    _main(*[argument for argument in sys.argv[1:] if argument != child.ENDS_WITH_STDIN])
