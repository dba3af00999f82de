"""What a conversion does to requests: `python -m benchmarks.conversion_delay [--rounds 3] [--connections 4]`.

In each round the latency of /detect over some connections is taken while nothing else runs, then while the frozen copy
is made again, and the percentiles are compared.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.traffic import Traffic, traffic

PHOTOS = sorted((Path(__file__).parent.parent / "converter" / "photos").glob("*.jpg"))
TOKEN = {"Authorization": "Bearer secret"}
ALONE_S = 20.0


def main() -> int:
    """Measure and print a table in Markdown; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "1")
        environ = {"DETECTOR_MODEL": folder, "DETECTOR_STARTUP_CONVERSION": "off", "DETECTOR_ADMIN_TOKEN": "secret"}
        with serving({**environ, "DETECTOR_COPIES": ""}) as server:
            server.wait_until_ready()
            rounds = [measure(server, args.connections) for _ in range(args.rounds)]
    return report(rounds)


def measure(server: Server, connections: int) -> tuple[list[float], list[float], float, int]:
    """One round: milliseconds alone and during a conversion, the conversion's seconds, and requests that failed."""
    photos = [path.read_bytes() for path in PHOTOS]
    with traffic(server.url, photos, connections=connections, backend="native") as sent:
        sent.wait_for(10 * connections)
        first = len(sent.answers)
        time.sleep(ALONE_S)
        second, began = len(sent.answers), time.monotonic()
        convert(server)
        seconds, third = time.monotonic() - began, len(sent.answers)
        failed = sum(count for status, count in sent.statuses.items() if status != 200) + len(sent.errors)
    return latencies(sent, first, second), latencies(sent, second, third), seconds, failed


def convert(server: Server) -> None:
    """Make the frozen copy and wait until it is done or failed."""
    with httpx.Client(base_url=server.url, headers=TOKEN, timeout=60) as admin:
        job = admin.post("/convert", json={"target": "frozen"}).json()["id"]
        while (state := admin.get(f"/convert/jobs/{job}").json())["state"] in ("running", "loading"):
            time.sleep(0.5)
        if state["state"] != "succeeded":
            raise RuntimeError(state["reason"])


def latencies(sent: Traffic, start: int, end: int) -> list[float]:
    """Milliseconds as the clients saw them."""
    return [response.elapsed.total_seconds() * 1000 for _, response in sent.answers[start:end]]


def report(rounds: Sequence[tuple[list[float], list[float], float, int]]) -> int:
    """The table; 1 if a request failed."""
    print("| round | requests alone | p50 ms | p99 ms | during, seconds | requests | p50 ms | p99 ms | p99, times |")
    print("|---|---|---|---|---|---|---|---|---|")
    ratios = []
    for number, (alone, during, seconds, _) in enumerate(rounds, start=1):
        before, beside = np.percentile(alone, (50, 99)), np.percentile(during, (50, 99))
        ratios.append(float(beside[1] / before[1]))
        print(
            f"| {number} | {len(alone)} | {before[0]:.0f} | {before[1]:.0f} | {seconds:.0f} | {len(during)} "
            f"| {beside[0]:.0f} | {beside[1]:.0f} | {ratios[-1]:.2f} |"
        )
    failed = sum(round_[3] for round_ in rounds)
    print(f"\nMedian of the rounds: p99 {statistics.median(ratios):.2f} times; {failed} requests failed.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
