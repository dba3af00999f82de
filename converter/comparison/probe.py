"""Has a SavedModel or an ONNX copy run on real photos at every batch size, by probing.py: what does it answer?

For a TF-TRT copy that process forbids TensorFlow to fall back to its native segments
(`TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION=False`): only then does an answer prove that TensorRT ran.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converter import stored
from converter.contract import ConversionFailed, CopyRefused, UnusableModel
from converter.description import Declared, Description
from converter.kind import too_large
from converter.machine import child
from converter.model.detections import Detections

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LONGEST = 1_000  # characters of a sentence; those of models end with what helps
STRICT = {"TF_TRT_ALLOW_ENGINE_NATIVE_SEGMENT_EXECUTION": "False"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is run, and on what."""

    folder: Path
    target: str | None = None  # the kind of copy; None: an original
    batch_sizes: tuple[int, ...] = (1, 8)  # of an original those that don't work are left out, of a copy each must work
    images: Path | None = None  # a folder of pictures; None: the packaged ones and variations of them
    declared: Declared = field(default_factory=Declared)  # of an original; a copy knows it
    most_weights_bytes: int | None = None  # of an original: with more it is not run


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
    if it took more than `limits`, or than there was; UnusableModel if it has more weights than asked for.
    """
    return parse(ran("converter.comparison.probing", request, limits=limits, on_line=on_line))


def ran(module: str, request: "DataclassInstance", *, limits: child.Limits, on_line: Callable[[str], None]) -> str:
    """What a program printed that runs a model as it is asked for; raises as `run` does."""
    environ = {"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **STRICT}
    try:
        done = child.run(module, stored.to_json(request), limits=limits, environ=environ, on_line=on_line)
    except child.OverLimit as error:
        raise ConversionFailed(f"running the model {error}, and was ended") from error
    if done.starved:
        raise ConversionFailed("running the model took all the memory there was, and the system ended it")
    if done.signal_name == "SIGKILL":  # which no model sends to itself
        raise ConversionFailed("running the model was ended by SIGKILL")
    if done.returncode != 0:
        raise _refusal(done)
    return done.stdout


def parse(stdout: str) -> Probed:
    """What the process printed, read; UnusableModel if there were more weights than asked for."""
    answer = json.loads(stdout.splitlines()[-1])
    if size := answer.get("weights_bytes"):
        raise UnusableModel(too_large(size))
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
    return lines[-1][:_LONGEST] if lines else "it said nothing"
