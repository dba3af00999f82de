"""The yardstick: the raw call of a SavedModel's signature, at several layouts, in a process of its own.

    python -m benchmarks.raw MODEL_FOLDER default|split 1x1,2x8

`default` leaves TensorFlow's thread pools alone; `split` gives each caller its share of the cores, as our worker does.
The process loads the model once and then measures whenever it reads a number of seconds, for which it tries each
layout. It answers with JSON: pictures per second by "threads x batch", and the median latency of one caller with one
picture. `RawCalls` is such processes.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

LAYOUTS = ((1, 1), (2, 1), (3, 1), (2, 2), (2, 4), (2, 8))
POOLS = ("default", "split")
PHOTOS = sorted((Path(__file__).parent.parent / "converter" / "photos").glob("*.jpg"))


class RawCalls:
    """The raw call of the model in a folder with each way of setting TensorFlow's threads; in a `with`."""

    def __init__(self, folder: Path, layouts: Sequence[tuple[int, int]] = LAYOUTS) -> None:
        named = ",".join(f"{threads}x{batch}" for threads, batch in layouts)
        command = [sys.executable, "-m", "benchmarks.raw", str(folder)]
        environ = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ}  # both are there at once
        pipe = subprocess.PIPE
        self._children = {
            pools: subprocess.Popen(
                [*command, pools, named], stdin=pipe, stdout=pipe, text=True, bufsize=1, env=environ
            )
            for pools in POOLS
        }

    def __enter__(self) -> "RawCalls":
        for pools in POOLS:
            self._answer(pools)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.communicate()

    def measure(self, seconds: float) -> dict[str, Any]:
        """What each way gives, one after the other, `seconds` for each layout."""
        found = {}
        for pools, child in self._children.items():
            if child.stdin:
                child.stdin.write(f"{seconds}\n")
            found[pools] = self._answer(pools)
        return found

    def _answer(self, pools: str) -> Any:
        stdout = self._children[pools].stdout
        return json.loads(stdout.readline() if stdout else "null")


def best(calls: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]]:
    """The layout with the highest median over what `measure` found in turn, and its pictures per second in each.

    One layout for all of them: the highest of a dozen in each would be the luck of that turn.
    """
    rates = {
        f"{pools}, {layout}": [float(one[pools]["rates"][layout]) for one in calls]
        for pools, found in calls[0].items()
        for layout in found["rates"]
    }
    return max(rates.items(), key=lambda each: statistics.median(each[1]))


def p50_ms(calls: Sequence[Mapping[str, Any]]) -> float:
    """The median latency of one caller with one picture, of the better of both ways."""
    return min(statistics.median(float(one[pools]["p50_ms"]) for one in calls) for pools in calls[0])


def main() -> None:
    """Load, say so, and measure as often as is asked for."""
    call = _loaded(*sys.argv[1:3])
    photos = [path.read_bytes() for path in PHOTOS]
    layouts = [(int(threads), int(batch)) for threads, batch in (each.split("x") for each in sys.argv[3].split(","))]
    for _, batch in layouts:  # the first calls optimise the graph and are not counted
        call(list(islice(cycle(photos), batch)))
    print("{}", flush=True)
    for line in sys.stdin:
        results = {f"{n} x {batch}": _run(call, photos, (n, batch), float(line)) for n, batch in layouts}
        rates = {layout: round(rate, 2) for layout, (rate, _) in results.items()}
        print(json.dumps({"rates": rates, "p50_ms": round(results["1 x 1"][1] * 1000, 3)}), flush=True)


def _loaded(folder: str, pools: str) -> Callable[[list[bytes]], None]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    if pools == "split":
        cores = len(os.sched_getaffinity(0))
        tf.config.threading.set_inter_op_parallelism_threads(min(cores, 2))
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // 2))
    signature = tf.saved_model.load(folder).signatures["serving_default"]
    name = next(iter(signature.structured_input_signature[1]))

    def call(jpegs: list[bytes]) -> None:
        for tensor in signature(**{name: tf.constant(jpegs)}).values():
            tensor.numpy()

    return call


def _run(
    call: Callable[[list[bytes]], None], photos: list[bytes], layout: tuple[int, int], seconds: float
) -> tuple[float, float]:
    """Pictures per second, and the median seconds of a call. Of a call that outlasts the time its share counts."""
    threads, batch = layout
    end, latencies = time.perf_counter() + seconds, []

    def caller(first: int) -> float:
        stream, done = cycle(photos[first % len(photos) :] + photos[: first % len(photos)]), 0.0
        while (began := time.perf_counter()) < end:
            call(list(islice(stream, batch)))
            took = time.perf_counter() - began
            latencies.append(took)
            done += batch * min(1, (end - began) / took)
        return done

    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(caller, range(threads)))
    return total / seconds, sorted(latencies)[len(latencies) // 2]


if __name__ == "__main__":
    main()
