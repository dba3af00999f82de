"""What the server's own process costs a request, beside a bare ASGI route over the same worker, in one run.

    python -m benchmarks.own_cost [--backend onnx] [--rounds 5] [--seconds 5] [--connections 8]

Both run all the while and are asked in turn, in an order that alternates. Needs wrk (Debian's package `wrk`).
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.throughput import load

MOST_ABOVE_MS = 0.15


def main() -> int:
    """Measure and print a table in Markdown; 1 if a request failed, or the server costs too much above the bare one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "yolox_nano"
        shutil.copytree(bundled_model() / "1", model / "1")
        copies = "" if args.backend == "native" else args.backend
        environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": copies, "DETECTOR_STARTUP_CONVERSION": "blocking"}
        with serving({**environ, "DETECTOR_SHADOW_SHARE": "0"}) as server:
            server.wait_until_ready(within_s=600)
            run = model / ("1" if args.backend == "native" else f"1_{args.backend}")
            bare_environ = {"BARE_FOLDER": str(run), "BARE_BACKEND": args.backend}
            with serving(bare_environ, program=("benchmarks.bare_route",)) as bare:
                bare.wait_until_ready()
                found = measure({"the server": server, "bare route": bare}, args)
    return report(found, args)


def measure(servers: dict[str, Server], args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What each answered in each round."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    for number in range(args.rounds):
        for name in list(servers)[:: -1 if number % 2 else 1]:
            found[name].append(load(servers[name], args.backend, args.connections, args.seconds))
    return found


def report(found: dict[str, list[dict[str, Any]]], args: argparse.Namespace) -> int:
    """The medians as a table."""
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; {args.rounds} rounds of {args.seconds} s.\n")
    print(f"| `{args.backend}`, {args.connections} connections | answers/s | p50 ms | API CPU ms a request | rounds |")
    print("|---|---|---|---|---|")
    for name, rounds in found.items():
        rate, p50_ms, cpu_ms = (statistics.median(one[key] for one in rounds) for key in ("rate", "p50_ms", "cpu_ms"))
        print(
            f"| {name} | {rate:.1f} | {p50_ms:.1f} | {cpu_ms:.2f} | {', '.join(str(one['cpu_ms']) for one in rounds)} |"
        )
    pairs = zip(*found.values(), strict=True)
    above_ms = statistics.median(server["cpu_ms"] - bare["cpu_ms"] for server, bare in pairs)
    print(f"\nThe server above the bare route: {above_ms:.2f} ms.")
    failed = any(one["not_2xx"] or one["broken"] for rounds in found.values() for one in rounds)
    return int(failed or above_ms > MOST_ABOVE_MS)


if __name__ == "__main__":
    sys.exit(main())
