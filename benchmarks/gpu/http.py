"""A server of its own for each part, and wrk on the same machine; what each process took of the cores meanwhile.

`WRK` is the command of wrk if it is not on the PATH, with what it needs: "env LD_LIBRARY_PATH=… …/wrk".
"""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gpu.parts import Settings
from benchmarks.serving import Server, serving
from benchmarks.throughput import cpu_s, lua
from converter.machine import nvidia

HERE = Path(__file__).parent.parent
WAIT_S = 420.0  # for a copy to be loaded, warmed and judged
_SETTLED = ("active", "standby", "refused", "unavailable", "crashed")
_SERIES = {
    "batch": ("detector_batch_size", {}),
    "queue_ms": ("detector_stage_duration_seconds", {"stage": "queue"}),
    "infer_ms": ("detector_stage_duration_seconds", {"stage": "infer"}),
}


@contextmanager
def served(model: Path, copies: tuple[str, ...], settings: Settings, images: Path) -> Iterator[Server]:
    """A server with these copies, each ready or known not to be; judged on `images`, which are all of one size class.

    Of another class it would go on judging beside what is measured.
    """
    environ = {
        "DETECTOR_MODEL": str(model.parent),
        "DETECTOR_COPIES": ",".join(copies),
        "DETECTOR_STARTUP_CONVERSION": "off",
        "DETECTOR_GATE_IMAGES": str(images),
        "DETECTOR_GATE_SECONDS": "0.5",
        "DETECTOR_SHADOW_SHARE": "0",
        "DETECTOR_QUEUE_LIMIT": "512",
        "DETECTOR_DRAIN_SECONDS": "0",
        **settings,
    }
    with serving(environ) as server:
        began = time.monotonic()
        server.wait_until(lambda: _settled(server, ("native", *copies)), within_s=WAIT_S)
        print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
        yield server


def standing(server: Server, backend: str) -> dict[str, Any]:
    """What a backend is, and what its worker said of itself."""
    told = server.model()["backends"][backend]
    left_out = ("verdict", "rolled_back")
    return {name: value for name, value in told.items() if value is not None and name not in left_out}


def load(server: Server, backend: str, *, connections: int, seconds: float, photo: Path) -> dict[str, Any]:
    """The figures of one point."""
    pids = {"api": server.process.pid, "worker": server.worker_pid(backend)}
    cpu, series, began = _cpu(pids), _series(server, backend), time.perf_counter()
    answered = wrk(server, backend, connections=connections, seconds=seconds, photo=photo)
    took = time.perf_counter() - began
    cpu_after, after = _cpu(pids), _series(server, backend)
    spent = {name: cpu_after[name] - cpu[name] for name in pids}
    return {
        "per_s": round(answered["answers"] / answered["seconds"], 1),
        **{name: answered[name] for name in ("p50_ms", "p99_ms", "p999_ms", "longest_ms", "not_2xx", "broken")},
        **{f"{name}_cores": round(each / took, 2) for name, each in spent.items()},
        **{f"{name}_cpu_ms": round(1e3 * each / max(1, answered["answers"]), 3) for name, each in spent.items()},
        **{name: _mean(series[name], after[name], ms=name.endswith("_ms")) for name in _SERIES},
        **memory(pids["worker"]),
    }


def wrk(server: Server, backend: str, *, connections: int, seconds: float, photo: Path) -> dict[str, Any]:
    """What wrk counted; RuntimeError with its words if it did not run."""
    threads = min(4, connections, os.cpu_count() or 1)
    options = [f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s"]
    script = ["-s", str(HERE / "detect.lua"), server.url, backend, str(photo)]
    command = [*shlex.split(os.environ.get("WRK", "wrk")), *options, *script]
    done = subprocess.run(command, env=lua(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stderr or done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def memory(worker: int | None = None) -> dict[str, int]:
    """What is used of the first GPU, and what of it a worker holds, in MiB; empty where there is none."""
    rows = nvidia.smi("gpu=memory.used,memory.total,utilization.gpu")
    if not rows or not all(cell.isdigit() for cell in rows[0]):
        return {}
    used, total, _ = map(int, rows[0])
    held = nvidia.held_bytes(worker) if worker else None
    return {"gpu_used_mib": used, "gpu_mib": total, **({"worker_gpu_mib": held >> 20} if held else {})}


def _settled(server: Server, backends: tuple[str, ...]) -> bool:
    states = server.model()["backends"]
    replicas = [each["state"] for name in backends for each in states[name]["replicas"] or ()]
    return all(states[name]["state"] in _SETTLED for name in backends) and "loading" not in replicas


def _cpu(pids: Mapping[str, int]) -> dict[str, float]:
    found = {}
    for name, pid in pids.items():
        try:
            found[name] = cpu_s(pid)
        except OSError:
            found[name] = 0.0  # it has ended
    return found


def _series(server: Server, backend: str) -> dict[str, tuple[float, float]]:
    """Sums and counts."""
    return {
        name: (
            server.metric(f"{series}_sum", backend=backend, **labels),
            server.metric(f"{series}_count", backend=backend, **labels),
        )
        for name, (series, labels) in _SERIES.items()
    }


def _mean(before: tuple[float, float], after: tuple[float, float], *, ms: bool) -> float | None:
    count = after[1] - before[1]
    return round((after[0] - before[0]) / count * (1e3 if ms else 1), 2) if count else None
