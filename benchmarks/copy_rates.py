"""An ONNX copy called directly, without a server: pictures a second, and what a change of the batch size costs.

    python -m benchmarks.copy_rates COPY [--seconds 4] [--lanes 4] [--layouts 1x1,1x8,4x8] [--photo FILE]

`4x8`: four callers with batches of eight. Then one caller with batches of 1 to 8 in falling and in random order: the
slowest call of each. Prints one line of JSON for each.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from converter.model.onnx_copy import OnnxCopy
from converter.model.providers import Share

PHOTO = Path(__file__).parent.parent / "tests" / "data" / "dog.jpg"
LARGEST = 8

Call = Callable[[int], object]


def main() -> int:
    """Measure; 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copy", type=Path)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--layouts", default="1x1,1x8,2x8,4x8")
    parser.add_argument("--photo", type=Path, default=PHOTO)
    args = parser.parse_args()
    began = time.monotonic()
    copy, photo = OnnxCopy(args.copy, share=Share(args.lanes)), args.photo.read_bytes()

    def call(batch: int) -> object:
        return copy.outputs([photo] * batch)

    with copy.warming():
        for batch in range(1, LARGEST + 1):
            call(batch)
    seconds = round(time.monotonic() - began, 1)
    tell({"ready_s": seconds, "nodes": dict(copy.assigned.nodes), "notes": list(copy.notes)})
    for layout in args.layouts.split(","):
        threads, batch = map(int, layout.split("x"))
        tell({"layout": layout, **rate(call, threads, batch, args.seconds)})
    falling = [batch for batch in range(LARGEST, 0, -1) for _ in range(30)]
    tell({"order": "falling", **slowest(call, falling)})
    tell({"order": "random", **slowest(call, random.Random(1).sample(falling, len(falling)))})
    copy.close()
    return 0


def rate(call: Call, threads: int, batch: int, seconds: float) -> dict[str, float]:
    """Pictures a second of so many callers, and how long a call takes."""
    end, took = time.perf_counter() + seconds, list[float]()

    def caller(_: int) -> int:
        done = 0
        while (began := time.perf_counter()) < end:
            call(batch)
            took.append(time.perf_counter() - began)
            done += batch
        return done

    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(caller, range(threads)))
    wall = time.perf_counter() - began
    return {
        "per_s": round(done / wall, 1),
        "p50_ms": round(statistics.median(took) * 1e3, 2),
        "slowest_ms": round(max(took) * 1e3, 2),
        "cores": round((time.process_time() - cpu) / wall, 2),
    }


def slowest(call: Call, batches: Sequence[int]) -> dict[str, float]:
    """The slowest and the median call of one caller, ms."""
    took = []
    for batch in batches:
        began = time.perf_counter()
        call(batch)
        took.append(time.perf_counter() - began)
    return {"slowest_ms": round(max(took) * 1e3, 2), "p50_ms": round(statistics.median(took) * 1e3, 2)}


def tell(found: dict[str, object]) -> None:
    """One line."""
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
