"""The program that runs a model for probe.py; it prints one line of JSON (see `probe.parse`).

Run by itself: `python -m converter.comparison.probing '{"folder": "models/yolox_nano/1"}'` (see `probe.Request`).
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from converter import stored
from converter.comparison.loading import Broken, Guarded, described, load
from converter.comparison.probe import Request
from converter.comparison.timing import percentiles
from converter.contract import UnusableModel
from converter.machine import child
from converter.model import prediction, sampling
from converter.model.detections import Detections
from converter.model.found import COUNTING
from converter.model.prediction import WrongBatch

FEWEST_RUNS, MOST_RUNS, ENOUGH_S = 10, 100, 1.0


def _measure(request: Request) -> dict[str, Any]:
    """What the process prints; it ends with a sentence if the model doesn't run."""
    photos = sampling.pictures(request.images, most=sampling.MOST_COMPARED, most_bytes=sampling.MOST_COMPARED_BYTES)
    model = load(request)
    if request.most_weights_bytes is not None and model.weights_bytes > request.most_weights_bytes:
        return {"weights_bytes": model.weights_bytes}
    found = _Found(model, photos, request)
    try:
        found.model.description = described(found.model)
        sizes = list(prediction.working_batch_sizes(request.batch_sizes, found.model.description.input, found.works))
    except UnusableModel as error:
        sys.exit(str(error))
    except Broken as error:
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


@dataclass(slots=True)
class _Found:
    """What is found out of a model, size by size."""

    model: "Guarded"
    photos: list[bytes]
    request: Request
    latency: dict[str, Any] = field(default_factory=dict)
    detections: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def works(self, size: int) -> bool:
        """Run it at this batch size; Broken if a copy doesn't run."""
        try:
            self.latency[str(size)] = _time(self.model, lambda: _answers(self.model, sampling.batch(self.photos, size)))
            self.detections[str(size)] = _detect(self.model, self.photos, size)
        except Broken as error:
            if self.request.target is not None:
                raise Broken(f"at batch size {size}: {error}") from error.__cause__
            self.left_out[str(size)] = str(error)
        return str(size) in self.detections


def _time(model: Guarded, call: Any) -> dict[str, float]:
    seconds: list[float] = []
    first = [model.first_s] if model.first_s and not model.timed else []  # it was made to learn what boxes mean
    model.timed = True
    end = time.perf_counter() + ENOUGH_S
    while len(seconds) <= FEWEST_RUNS or (time.perf_counter() < end and len(seconds) <= MOST_RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"first_s": round(max([seconds[0], *first]), 4), **percentiles(seconds[1:]), "runs": len(seconds) - 1}


def _answers(model: Guarded, jpegs: list[bytes], count: int | None = None) -> list[Detections]:
    """Of the first `count` (None: all); the others fill up the batch."""
    try:
        return prediction.predict(model, jpegs, [sampling.size_of(each) for each in jpegs[:count]])
    except WrongBatch as error:
        raise Broken(str(error)) from error


def _detect(model: Guarded, photos: list[bytes], size: int) -> list[list[list[float]]]:
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
