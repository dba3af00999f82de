"""Does a bad neighbour hurt? Eight clients with good photos, without and with one that sends broken bodies.

    python -m benchmarks.neighbours [--seconds 60]

The broken bodies are a photo that is cut off (it passes the header check and fails in the model's batch), one with a
bad header, and no JPEG at all, 20 a second in turn. Prints a table in Markdown.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.settings import bundled_model
from benchmarks.raw import PHOTOS
from benchmarks.serving import Server, serving
from benchmarks.traffic import Traffic, traffic

GOOD_CLIENTS = 8
BAD_PER_SECOND = 20


def main() -> int:
    """Measure and print; 1 if a good request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    photos = [path.read_bytes() for path in PHOTOS]
    bad = [photos[-1][:60_000], photos[0][:200], b"GIF89a"]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "yolox_nano" / "1")
        environ = {"DETECTOR_MODEL": str(Path(folder) / "yolox_nano"), "DETECTOR_COPIES": ""}
        with serving(environ) as server:
            server.wait_until_ready(within_s=300)
            measure(server, photos, 5)  # warm
            print("| | good requests | failed | per second | p50 ms | p99 ms | bad requests, by status |")
            print("|---|---|---|---|---|---|---|")
            for neighbours in ([], bad, [], bad):
                with sending(server, neighbours) as statuses:
                    good, seconds = measure(server, photos, args.seconds)
                failed += report(good, seconds, statuses)
            print(f"\nBatches repaired: {server.metric('detector_batch_repairs_total'):.0f}.")
    return int(failed > 0)


def measure(server: Server, photos: list[bytes], seconds: float) -> tuple[Traffic, float]:
    """Closed loop of the good clients."""
    began = time.monotonic()
    with traffic(server.url, photos, connections=GOOD_CLIENTS) as sent:
        time.sleep(seconds)
    return sent, time.monotonic() - began


@contextmanager
def sending(server: Server, bodies: list[bytes]) -> Iterator[Counter[int]]:
    """The bad client, in a thread, while the block runs."""
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def client() -> None:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            number, began = 0, time.monotonic()
            while bodies and not stop.wait(max(0.0, began + number / BAD_PER_SECOND - time.monotonic())):
                statuses[http.post("/detect", content=bodies[number % len(bodies)]).status_code] += 1
                number += 1

    thread = threading.Thread(target=client)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def report(good: Traffic, seconds: float, bad: Counter[int]) -> int:
    """A row of the table; how many good requests failed."""
    failed = len(good.errors) + sum(count for status, count in good.statuses.items() if status != 200)
    latencies = sorted(response.elapsed.total_seconds() * 1000 for _, response in good.answers)
    p99 = latencies[int(0.99 * len(latencies))]
    title = "with a bad neighbour" if bad else "alone"
    rate, p50 = len(latencies) / seconds, statistics.median(latencies)
    told = ", ".join(f"{status}: {count}" for status, count in sorted(bad.items()))
    print(f"| {title} | {len(latencies)} | {failed} | {rate:.1f} | {p50:.1f} | {p99:.1f} | {told} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
