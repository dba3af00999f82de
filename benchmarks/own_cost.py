"""What the server's own process costs a request, beside a bare ASGI route over the same worker, in one run.

    python -m benchmarks.own_cost [--backend onnx] [--rounds 5] [--seconds 5] [--connections 8] [--before FOLDER]

Both run all the while and are asked in turn, in an order that alternates. `--backend stub`: over a worker without a
model. `--before`: another checkout, whose server is asked too. Needs wrk (Debian's package `wrk`).
"""

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.stub_server import STUB
from benchmarks.throughput import load

MOST_ABOVE_MS = 0.15


def main() -> int:
    """Measure and print a table in Markdown; 1 if a request failed, or the server costs too much above the bare one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="onnx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--before", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        return report(measure(start(Path(folder), stack, args), args), args)


def start(folder: Path, stack: ExitStack, args: argparse.Namespace) -> dict[str, Server]:
    """The server, the one before it and the bare route, ready."""
    model = folder / "yolox_nano"
    shutil.copytree(bundled_model() / "1", model / "1")
    made = args.backend not in ("native", STUB)
    environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": args.backend if made else ""}
    environ |= {"DETECTOR_STARTUP_CONVERSION": "blocking", "DETECTOR_SHADOW_SHARE": "0", "DETECTOR_LABEL_OFFSET": "0"}
    program = ("benchmarks.stub_server",) if args.backend == STUB else ("app", "serve")
    servers = {}
    for name, cwd in {"the server": None, "before": args.before}.items():
        if name == "the server" or cwd:
            servers[name] = stack.enter_context(serving(environ, cwd=cwd, program=program))
            servers[name].wait_until_ready(within_s=600)
    for server in servers.values() if made else ():
        server.wait_until_settled(args.backend)
    run = model / (f"1_{args.backend}" if made else "1")
    bare_environ = {"BARE_FOLDER": str(run), "BARE_BACKEND": args.backend}
    servers["bare route"] = stack.enter_context(serving(bare_environ, program=("benchmarks.bare_route",)))
    servers["bare route"].wait_until_ready()
    return servers


def measure(servers: dict[str, Server], args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """What each answered in each round."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    backend = "native" if args.backend == STUB else args.backend
    for number in range(args.rounds):
        for name in list(servers)[:: -1 if number % 2 else 1]:
            found[name].append(load(servers[name], backend, args.connections, args.seconds))
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
    pairs = zip(found["the server"], found["bare route"], strict=True)
    above_ms = statistics.median(server["cpu_ms"] - bare["cpu_ms"] for server, bare in pairs)
    print(f"\nThe server above the bare route: {above_ms:.2f} ms.")
    failed = any(one["not_2xx"] or one["broken"] for rounds in found.values() for one in rounds)
    return int(failed or above_ms > MOST_ABOVE_MS)


if __name__ == "__main__":
    sys.exit(main())
