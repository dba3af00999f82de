"""Our server against the raw call of the signature, in the same run, as ratios: `make bench`.

Each round asks the server over HTTP at 1, 8 and 32 connections, between two measurements of the raw call
(benchmarks/raw.py, both ways of setting TensorFlow's threads); the medians are compared. Then the cold start
(benchmarks/cold_start.py). Writes benchmarks/results/BACKEND.json. Needs wrk (Debian's package `wrk`).
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks import cold_start
from benchmarks.raw import PHOTOS, RawCalls, best, p50_ms
from benchmarks.serving import Server, serving

CONNECTIONS = (1, 8, 32)
HERE = Path(__file__).parent
RESULTS = HERE / "results"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure and print a table in Markdown; 1 if an answer was not a 200."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--raw-seconds", type=float, default=0.8, help="for each of its twelve layouts")
    parser.add_argument("--backend", default="native")
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        print("bench: wrk is needed (apt-get install wrk)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "yolox_nano"
        shutil.copytree(bundled_model() / "1", model / "1")
        copies = [] if args.backend == "native" else [args.backend]
        environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": ",".join(copies), "DETECTOR_SHADOW_SHARE": "0"}
        environ["DETECTOR_STARTUP_CONVERSION"] = "blocking"
        with serving(environ) as server, RawCalls(model / "1") as raw:
            server.wait_until_ready(within_s=300)
            server.wait_until_settled(*copies)
            calls, rounds = [raw.measure(args.raw_seconds)], []
            for _ in range(args.rounds):
                rounds.append(measure(server, args))
                calls.append(raw.measure(args.raw_seconds))
        starts = cold_start.measure(model, args.rounds)
    report(calls, rounds, args.backend, args.seconds)
    print(f"\nCold start of `native`:\n\n{cold_start.table(starts)}")
    RESULTS.mkdir(exist_ok=True)
    found = {"raw": calls, "rounds": rounds, "cold_start": starts}
    (RESULTS / f"{args.backend}.json").write_text(json.dumps(found, indent=1) + "\n")
    return int(any(each["not_2xx"] or each["broken"] for one in rounds for each in one.values()))


def measure(server: Server, args: argparse.Namespace) -> dict[int, dict[str, Any]]:
    """One round, by the number of connections."""
    served = {connections: load(server, args.backend, connections, args.seconds) for connections in CONNECTIONS}
    print(json.dumps(served), file=sys.stderr, flush=True)
    return served


def lua() -> dict[str, str]:
    """The environment in which wrk's scripts find what they share."""
    return {**os.environ, "LUA_PATH": f"{HERE}/?.lua;;"}


def load(server: Server, backend: str, connections: int, seconds: int) -> dict[str, Any]:
    """wrk over the photos; pictures per second, latency, and the API process' CPU time a request."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "detect.lua"), server.url]
    before = cpu_s(server.process.pid)
    done = subprocess.run([*command, backend, *map(str, PHOTOS)], env=lua(), capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    result["rate"] = round(result["answers"] / result["seconds"], 2)
    result["cpu_ms"] = round(1000 * (cpu_s(server.process.pid) - before) / max(1, result["answers"]), 3)
    return result


def cpu_s(pid: int) -> float:
    """CPU time that a process has taken, its children's left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def report(calls: list[dict[str, Any]], rounds: list[dict[int, dict[str, Any]]], backend: str, seconds: int) -> None:
    """The medians as a table."""
    median = statistics.median
    layout, rates = best(calls)
    raw_ms = p50_ms(calls)
    print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; {len(rounds)} rounds of {seconds} s, medians.\n"
    )
    print(
        f"Best raw call of the signature ({layout}): {median(rates):.1f} pictures/s "
        f"({', '.join(f'{rate:.1f}' for rate in rates)}); one caller, one picture: p50 {raw_ms:.2f} ms.\n"
    )
    print(f"| connections | `{backend}` pictures/s | of the best raw call | p50 ms | p99 ms | API CPU ms a request |")
    print("|---|---|---|---|---|---|")
    for connections in CONNECTIONS:
        served = [one[connections] for one in rounds]
        rate, served_ms, p99_ms, cpu_ms = (
            median(one[key] for one in served) for key in ("rate", "p50_ms", "p99_ms", "cpu_ms")
        )
        beside = [(before + after) / 2 for before, after in pairwise(rates)]
        ratio = median(one["rate"] / most for one, most in zip(served, beside, strict=True))
        print(f"| {connections} | {rate:.1f} | {ratio:.3f} | {served_ms:.1f} | {p99_ms:.1f} | {cpu_ms:.2f} |")
    added = median(one[1]["p50_ms"] for one in rounds) - raw_ms
    print(f"\nLatency added at one connection, p50: {added:.2f} ms.")


if __name__ == "__main__":
    sys.exit(main())
