"""The server over HTTP on a GPU beside the raw call of the signature, with the CPU of each process, in one command.

    python -m benchmarks.http_gpu [MODEL] [--backends native,onnx] [--connections 1,8,64] [--seconds 10]

MODEL is a SavedModel or the folder of its versions (default: the bundled one); it is copied, so that copies are made
anew unless DETECTOR_CACHE says where they are. Without a GPU it says so and runs the same on the CPU. `rate` counts
answers of 200; API and worker are CPU milliseconds a request, and how many cores each of them kept busy. Needs wrk.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.raw import RawCalls, best, p50_ms
from benchmarks.serving import Server, serving
from benchmarks.throughput import cpu_s, load
from converter.machine import nvidia

RAW_S = 2.0
LAYOUTS = ((1, 1), (1, 8), (2, 8), (4, 8), (8, 8))
READY_S = 3600.0  # engines are built in minutes
UNDER_WAY = {"loading", "converting"}
_HEAD = ("backend", "connections", "rate", "of the raw call", "p50 ms", "p99 ms", "API ms", "API cores", "worker ms")


def main() -> int:
    """Measure and print a table in Markdown; 1 if a backend did not serve or a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=bundled_model())
    parser.add_argument("--backends", default="native,onnx")
    parser.add_argument("--connections", default="1,8,64")
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    backends, counts = args.backends.split(","), [int(count) for count in args.connections.split(",")]
    print(_device())
    with tempfile.TemporaryDirectory() as folder:
        model = _copied(args.model, Path(folder))
        with RawCalls(model, LAYOUTS) as raw:
            called = raw.measure(RAW_S)
        print(f"Raw call of the signature: {best(called):.1f} pictures/s; one picture: p50 {p50_ms(called):.2f} ms.\n")
        with serving(_environ(model, backends)) as server:
            failed = measure(server, backends, counts, seconds=args.seconds, most=best(called))
    return int(failed)


def measure(server: Server, backends: Sequence[str], counts: Sequence[int], *, seconds: int, most: float) -> bool:
    """A line for each backend and number of connections; whether something failed."""
    states = settled(server, backends)
    print(f"| {' | '.join(_HEAD)} | worker cores |\n|{'---|' * (len(_HEAD) + 1)}")
    failed = False
    for backend in backends:
        state = states[backend]["state"]
        if state not in ("active", "standby"):
            print(f"| {backend} | {state}: {states[backend]['reason']} |" + " |" * (len(_HEAD) - 1))
            failed = True
            continue
        for count in counts:
            one = loaded(server, backend, count, seconds)
            failed |= bool(one["not_2xx"] or one["broken"])
            cells = [f"{one[key]:.{digits}f}" for key, digits in _CELLS.items()]
            print(
                f"| {backend} | {count} | {cells[0]} | {one['rate'] / most:.2f} | {' | '.join(cells[1:])} |", flush=True
            )
    return failed


_CELLS = {"rate": 1, "p50_ms": 1, "p99_ms": 1, "cpu_ms": 2, "api_cores": 2, "worker_ms": 2, "worker_cores": 2}


def loaded(server: Server, backend: str, connections: int, seconds: int) -> dict[str, Any]:
    """One load, with what the API and the worker took of the CPU for it."""
    worker = server.worker_pid(backend)
    before = cpu_s(worker)
    one = load(server, backend, connections, seconds)
    took, answers = cpu_s(worker) - before, max(1, one["answers"])
    one |= {"worker_ms": 1000 * took / answers, "worker_cores": took / one["seconds"]}
    return one | {"api_cores": one["cpu_ms"] * answers / 1000 / one["seconds"]}


def settled(server: Server, backends: Sequence[str]) -> dict[str, Any]:
    """The state of each backend, once all of them serve or will not."""

    def done() -> bool:
        found = server.model()["backends"]
        return all(found[name]["state"] not in UNDER_WAY for name in backends)

    server.wait_until_ready(within_s=READY_S)
    server.wait_until(done, within_s=READY_S)
    found: dict[str, Any] = server.model()["backends"]
    return found


def _copied(model: Path, into: Path) -> Path:
    """A copy of the model's version, in the folder of versions that the server is given."""
    source = (
        model if (model / "saved_model.pb").exists() else max(model.glob("[0-9]*/"), key=lambda each: int(each.name))
    )
    return Path(shutil.copytree(source, into / "model" / "1"))


def _environ(model: Path, backends: Sequence[str]) -> dict[str, str]:
    copies = ",".join(name for name in backends if name != "native")
    environ = {"DETECTOR_MODEL": str(model.parent), "DETECTOR_COPIES": copies, "DETECTOR_SHADOW_SHARE": "0"}
    environ |= {"DETECTOR_STARTUP_CONVERSION": "blocking", "DETECTOR_QUEUE_LIMIT": "1024"}
    return environ | {name: os.environ[name] for name in ("DETECTOR_CACHE",) if name in os.environ}


def _device() -> str:
    names = [name for (name,) in nvidia.smi("gpu=name")]
    return f"On {', '.join(names)}." if names else "There is no GPU here: the same on the CPU."


if __name__ == "__main__":
    sys.exit(main())
