"""What shadow pairs cost the requests: `python -m benchmarks.shadow_cost`.

One server; in each round wrk measures /detect without shadow pairs and with a share of 0.2, in alternating order, and
the percentiles are compared. Needs wrk (Debian's package `wrk`).
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.throughput import load

TOKEN = {"Authorization": "Bearer secret"}
SHARES = (0.0, 0.2)


def main() -> int:
    """Measure and print a table in Markdown; 1 if an answer was not a 200."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "1")
        environ = {
            "DETECTOR_MODEL": folder,
            "DETECTOR_COPIES": "frozen",
            "DETECTOR_STARTUP_CONVERSION": "blocking",
            "DETECTOR_ADMIN_TOKEN": "secret",
        }
        with serving(environ) as server:
            server.wait_until_ready(within_s=300)
            rounds = [measure(server, number, args) for number in range(args.rounds)]
            pairs = server.metric("detector_compare_pairs_total", source="shadow")
            dropped = server.metric("detector_compare_dropped_total")
    return report(rounds, pairs, dropped)


def measure(server: Server, number: int, args: argparse.Namespace) -> dict[float, dict[str, Any]]:
    """One round: what wrk saw at each share."""
    found = {}
    for share in SHARES if number % 2 == 0 else SHARES[::-1]:
        choose(server, share)
        found[share] = load(server, "native", args.connections, args.seconds)
    return found


def choose(server: Server, share: float) -> None:
    """Set the share of requests that are run again."""
    wanted = {"shadow_share": share, "backend": "native"}
    httpx.put(f"{server.url}/admin/backend", json=wanted, headers=TOKEN).raise_for_status()


def report(rounds: list[dict[float, dict[str, Any]]], pairs: float, dropped: float) -> int:
    """The table; 1 if a request failed."""
    print("| round | share 0: pictures/s | p50 ms | p99 ms | share 0.2: pictures/s | p50 ms | p99 ms | p99, times |")
    print("|---|---|---|---|---|---|---|---|")
    ratios = []
    for number, one in enumerate(rounds, start=1):
        cells = [f"{one[share][key]:.1f}" for share in SHARES for key in ("rate", "p50_ms", "p99_ms")]
        ratios.append(one[0.2]["p99_ms"] / one[0.0]["p99_ms"])
        print(f"| {number} | {' | '.join(cells)} | {ratios[-1]:.3f} |")
    print(f"\nMedian: p99 {statistics.median(ratios):.3f} times. {pairs:.0f} pairs were run, {dropped:.0f} dropped.")
    return int(any(one[share]["not_2xx"] or one[share]["broken"] for one in rounds for share in SHARES))


if __name__ == "__main__":
    sys.exit(main())
