"""A backend called as its worker calls it, without a server: `python -m benchmarks.gpu.raw '{"backend": …}'`.

Prints a line of JSON for each step as soon as it is done: how ready it was, then `4x8` (four callers with batches of
eight), `orders` (batch sizes in random and in falling order), `mixed` (callers at once, with any photos), or writes
what it finds in photos at each batch size.
"""

import json
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.backends.backend import Facts, GpuUse
from app.backends.child import Runner, WorkerOptions
from benchmarks.copy_rates import PHOTO, rate, slowest
from converter import stored
from converter.comparison import agreement
from converter.comparison.matching import compare
from converter.model import sampling
from converter.model.detections import Detections
from converter.targets import KINDS
from converter.tolerance import Tolerance


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is called, and how."""

    backend: str
    folder: Path
    layouts: tuple[str, ...] = ()
    seconds: float = 4.0
    max_batch: int = 8
    engine_sizes: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()  # of an ONNX copy on a GPU
    in_flight: int | None = None
    memory_mib: int | None = None
    photo: Path = PHOTO
    images: Path = sampling.PHOTOS  # a folder
    orders_s: float = 0.0
    mixed_s: float = 0.0
    detections: Path | None = None  # the file for what is found, by batch size


def main() -> int:
    """Load it and take the steps; 0."""
    request = stored.from_json(Request, sys.argv[1], "the request")
    began = time.monotonic()
    runner = load(request)
    facts: Facts = runner.facts
    told = ("batch_sizes", "batches_in_flight", "device", "load_seconds", "warm_seconds", "gpu_memory_bytes")
    ready = {name: getattr(facts, name) for name in (*told, "providers")}
    tell({"step": "ready", "ready_s": round(time.monotonic() - began, 1), **ready})
    photo = request.photo.read_bytes()
    size = sampling.size_of(photo)

    def call(batch: int) -> object:
        return runner.run([photo] * batch, [size] * batch)

    for layout in request.layouts:
        threads, batch = map(int, layout.split("x"))
        batch = min(batch, facts.batch_sizes[-1])
        tell({"step": layout, "batch": batch, **rate(call, threads, batch, request.seconds)})
    if request.orders_s:
        tell({"step": "orders", **orders(call, facts.batch_sizes[-1], request.orders_s)})
    if request.mixed_s:
        tell({"step": "mixed", **mixed(runner, request.images, request.mixed_s)})
    if request.detections:
        found = {batch: detected(runner, request.images, batch) for batch in range(1, facts.batch_sizes[-1] + 1)}
        request.detections.write_text(json.dumps(found))
        tell({"step": "detections", "pictures": len(found[1])})
    sys.stdout.flush()
    os._exit(0)  # threads of a GPU's libraries may not end by themselves


def load(request: Request) -> Runner:
    """The runner of the backend's own worker; `mixed` is native in TensorFlow's mixed precision."""
    options = WorkerOptions(
        name="native" if request.backend == "mixed" else request.backend,
        folder=request.folder,
        max_batch=request.max_batch,
        batch_sizes=request.engine_sizes,
        batches_in_flight=request.in_flight,
        gpu=GpuUse(request.sizes, request.memory_mib),
    )
    if request.backend in KINDS and KINDS[request.backend].runner == "onnxruntime":
        from app.backends.onnx import OnnxModel

        return OnnxModel(options)
    if request.backend == "mixed":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"auto_mixed_precision": True})
    from app.backends.savedmodel import SavedModel

    return SavedModel(options)


def orders(call: Any, largest: int, seconds: float) -> dict[str, Any]:
    """The slowest and the median call of one caller: batch sizes in random order, then the same ones falling."""
    draw, end, batches, took = random.Random(1), time.monotonic() + seconds, list[int](), list[float]()
    while time.monotonic() < end:
        batches.append(draw.randint(1, largest))
        took.append(slowest(call, batches[-1:])["slowest_ms"])
    falling = slowest(call, sorted(batches, reverse=True))
    by_time = sorted(took)
    return {
        "calls": len(took),
        "random_slowest_ms": by_time[-1],
        "random_p50_ms": by_time[len(took) // 2],
        "falling_slowest_ms": falling["slowest_ms"],
        "falling_p50_ms": falling["p50_ms"],
        "ratio": round(by_time[-1] / falling["slowest_ms"], 2),
    }


def mixed(runner: Runner, images: Path, seconds: float) -> dict[str, Any]:
    """As many callers as batches in flight, whose batches are of any size and of any photos, by the rule of a gate.

    What a photo gets in company is compared with what it gets alone.
    """
    photos, largest = sampling.pictures(images), runner.facts.batch_sizes[-1]
    sizes = list(map(sampling.size_of, photos))
    alone = [runner.run([photo], [size])[0] for photo, size in zip(photos, sizes, strict=True)]
    end = time.monotonic() + seconds

    def caller(seed: int) -> list[tuple[int, Detections]]:
        draw, found = random.Random(seed), list[tuple[int, Detections]]()
        while time.monotonic() < end:
            chosen = draw.sample(range(len(photos)), draw.randint(1, largest))
            answers = runner.run([photos[each] for each in chosen], [sizes[each] for each in chosen])
            found += zip(chosen, answers, strict=True)
        return found

    callers = runner.facts.batches_in_flight
    with ThreadPoolExecutor(callers) as pool:
        answered = [each for found in pool.map(caller, range(callers)) for each in found]
    limits = Tolerance()
    compared = (compare(alone[number], found, limits, photo=str(number)) for number, found in answered)
    verdict = agreement.total(compared).verdict(limits)
    return {"callers": callers, "pictures": len(answered), "verdict": verdict.word, "reason": verdict.reason}


def detected(runner: Runner, images: Path, batch: int) -> list[Any]:
    """Rows of left, top, right, bottom, score, class for each photo; photos of several sizes share batches."""
    photos, rows = sampling.pictures(images), list[Any]()
    for start in range(0, len(photos), batch):
        part = photos[start : start + batch]
        rows += map(as_rows, runner.run(part, [sampling.size_of(each) for each in part]))
    return rows


def as_rows(found: Any) -> list[list[float]]:
    """Detections as plain numbers."""
    pairs = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [[*box, score, class_id] for box, score, class_id in pairs]


def tell(found: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
