"""What shadow pairs cost the requests: `python -m benchmarks.shadow_cost [--shares 0.02 1]`.

One server; in each round wrk measures /detect without shadow pairs and with each share, in alternating order, and the
percentiles are compared. With a share of 1 each request is compared. Needs wrk (Debian's package `wrk`).
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
NONE = 0.0


def main() -> int:
    """Measure and print a table in Markdown; 1 if an answer was not a 200."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.02, 1.0])
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "1")
        environ = {
            "DETECTOR_MODEL": folder,
            "DETECTOR_COPIES": "onnx",
            "DETECTOR_STARTUP_CONVERSION": "blocking",
            "DETECTOR_ADMIN_TOKEN": "secret",
        }
        with serving(environ) as server:
            server.wait_until_ready(within_s=300)
            rounds = [measure(server, number, args) for number in range(args.rounds)]
            dropped = server.metric("detector_compare_dropped_total")
    return report(rounds, dropped)


def measure(server: Server, number: int, args: argparse.Namespace) -> dict[float, dict[str, Any]]:
    """One round: what wrk saw at each share, and how many pairs were run."""
    found = {}
    shares = [NONE, *args.shares]
    for share in shares if number % 2 == 0 else shares[::-1]:
        before = server.metric("detector_compare_pairs_total", source="shadow")
        choose(server, share)
        found[share] = load(server, "native", args.connections, args.seconds)
        found[share]["pairs"] = server.metric("detector_compare_pairs_total", source="shadow") - before
    return found


def choose(server: Server, share: float) -> None:
    """Set the share of requests that are run again."""
    wanted = {"shadow_share": share, "backend": "native"}
    httpx.put(f"{server.url}/admin/backend", json=wanted, headers=TOKEN).raise_for_status()


def report(rounds: list[dict[float, dict[str, Any]]], dropped: float) -> int:
    """The table; 1 if a request failed."""
    print("| round | share | pictures/s | p50 ms | p99 ms | pairs | pictures/s, times | p99, times |")
    print("|---|---|---|---|---|---|---|---|")
    times: dict[float, list[tuple[float, float]]] = {}
    for number, one in enumerate(rounds, start=1):
        for share, found in sorted(one.items()):
            compared = found["rate"] / one[NONE]["rate"], found["p99_ms"] / one[NONE]["p99_ms"]
            times.setdefault(share, []).append(compared)
            cells = [f"{found[key]:.1f}" for key in ("rate", "p50_ms", "p99_ms")]
            print(f"| {number} | {share:g} | {' | '.join(cells)} | {found['pairs']:.0f} | ", end="")
            print(f"{compared[0]:.3f} | {compared[1]:.3f} |")
    for share, every in sorted(times.items()):
        rate, p99 = (statistics.median(each) for each in zip(*every, strict=True))
        print(f"\nShare {share:g}, medians: {rate:.3f} times the pictures/s, p99 {p99:.3f} times.")
    print(f"\n{dropped:.0f} were dropped.")
    return int(any(found["not_2xx"] or found["broken"] for one in rounds for found in one.values()))


if __name__ == "__main__":
    sys.exit(main())
