"""One worker of a backend against several behind its queue, in one run.

    python -m benchmarks.replicas [--backends native,onnx] [--replicas 1,2] [--connections 8,32] [--rounds 3]

All servers run all the while and are asked in turn, in an order that alternates. Needs wrk (Debian's package `wrk`).
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.throughput import load

Case = tuple[str, int, int]  # backend, connections, replicas


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in Markdown; 1 if a request failed."""
    args = arguments(argv)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        found = measure(start(Path(folder), stack, args), args)
    report(found, args)
    return int(any(one["not_2xx"] or one["broken"] for rounds in found.values() for one in rounds))


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with its lists split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="native,onnx", type=lambda text: text.split(","))
    parser.add_argument("--replicas", default=[1, 2], type=_numbers)
    parser.add_argument("--connections", default=[8, 32], type=_numbers)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    return parser.parse_args(argv)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def start(folder: Path, stack: ExitStack, args: argparse.Namespace) -> dict[int, Server]:
    """A server for each number of replicas, all of them warm, and their copies judged."""
    model, copies = folder / "yolox_nano", [name for name in args.backends if name != "native"]
    shutil.copytree(bundled_model() / "1", model / "1")
    environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": ",".join(copies), "DETECTOR_SHADOW_SHARE": "0"}
    servers = {}
    for replicas in args.replicas:
        asked = {**environ, "DETECTOR_STARTUP_CONVERSION": "blocking", "DETECTOR_REPLICAS": str(replicas)}
        server = servers[replicas] = stack.enter_context(serving(asked))
        server.wait_until_ready(within_s=600)
        server.wait_until_settled(*copies)
        for name in args.backends:
            server.wait_until(partial(_are_warm, server, name, replicas), within_s=600)
    return servers


def _are_warm(server: Server, name: str, replicas: int) -> bool:
    return server.metric("detector_backend_replicas_ready", backend=name) == replicas


def measure(servers: dict[int, Server], args: argparse.Namespace) -> dict[Case, list[dict[str, Any]]]:
    """What each answered in each round."""
    found: dict[Case, list[dict[str, Any]]] = {}
    for number, backend, connections in product(range(args.rounds), args.backends, args.connections):
        for replicas in args.replicas[:: -1 if number % 2 else 1]:
            one = load(servers[replicas], backend, connections, args.seconds)
            found.setdefault((backend, connections, replicas), []).append(one)
            print(backend, connections, replicas, one, file=sys.stderr, flush=True)
    return found


def report(found: dict[Case, list[dict[str, Any]]], args: argparse.Namespace) -> None:
    """The medians as a table; ratios are medians of the rounds' own."""
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; {args.rounds} rounds of {args.seconds} s.\n")
    first = args.replicas[0]
    print(f"| backend | connections | replicas | pictures/s | ÷ {first} replica, each round | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    for backend, connections, replicas in product(args.backends, args.connections, args.replicas):
        rounds, base = found[backend, connections, replicas], found[backend, connections, first]
        rate, p50, p99 = (statistics.median(one[key] for one in rounds) for key in ("rate", "p50_ms", "p99_ms"))
        each = [one["rate"] / before["rate"] for one, before in zip(rounds, base, strict=True)]
        ratios = f"{statistics.median(each):.2f} ({', '.join(f'{ratio:.2f}' for ratio in each)})"
        print(
            f"| `{backend}` | {connections} | {replicas} | {rate:.1f} | {ratios if replicas != first else '1'} "
            f"| {p50:.0f} | {p99:.0f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
