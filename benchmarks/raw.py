"""The yardstick: the raw call of a SavedModel's signature, at several layouts, in a process of its own.

    python -m benchmarks.raw MODEL_FOLDER default|split

`default` leaves TensorFlow's thread pools alone; `split` gives each caller its share of the cores, as our worker does.
Prints JSON: pictures per second by "threads x batch", and the median latency of one caller with one picture.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

SECONDS = 4.0
LAYOUTS = ((1, 1), (2, 1), (3, 1), (2, 2), (2, 4), (2, 8))
PHOTOS = sorted((Path(__file__).parent.parent / "converter" / "photos").glob("*.jpg"))


def main() -> None:
    """Measure all layouts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    folder, pools = sys.argv[1:3]
    if pools == "split":
        cores = len(os.sched_getaffinity(0))
        tf.config.threading.set_inter_op_parallelism_threads(min(cores, 2))
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // 2))
    call = tf.saved_model.load(folder).signatures["serving_default"]
    name = next(iter(call.structured_input_signature[1]))
    photos = [path.read_bytes() for path in PHOTOS]

    def run(threads: int, batch: int) -> tuple[float, float]:
        end, latencies = time.perf_counter() + SECONDS, []

        def caller(first: int) -> int:
            stream, done = cycle(photos[first % len(photos) :] + photos[: first % len(photos)]), 0
            while (began := time.perf_counter()) < end:
                outputs = call(**{name: tf.constant(list(islice(stream, batch)))})
                _ = [tensor.numpy() for tensor in outputs.values()]
                latencies.append(time.perf_counter() - began)
                done += batch
            return done

        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            total = sum(pool.map(caller, range(threads)))
        return total / (time.perf_counter() - began), sorted(latencies)[len(latencies) // 2]

    for _, batch in LAYOUTS:  # the first calls optimise the graph and are not counted
        call(**{name: tf.constant(list(islice(cycle(photos), batch)))})
    results = {f"{threads} x {batch}": run(threads, batch) for threads, batch in LAYOUTS}
    rates = {layout: round(rate, 2) for layout, (rate, _) in results.items()}
    print(json.dumps({"rates": rates, "p50_ms": round(results["1 x 1"][1] * 1000, 3)}))


if __name__ == "__main__":
    main()
