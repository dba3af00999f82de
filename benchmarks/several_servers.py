"""One server, two servers behind nginx, and two replicas of Ray Serve, in one run: `make bench-ray`.

    python -m benchmarks.several_servers [--backends native,onnx] [--connections 1,8] [--rounds 3] [--seconds 5]

All run all the while and are asked one after the other, in an order that alternates. The one server has all cores, of
two each has half of them. Needs wrk and nginx (Debian's packages `wrk` and `nginx-light`) and the environment `.ray`.
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
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.settings import bundled_model
from benchmarks import nginx
from benchmarks.peers.running import pss_kb
from benchmarks.raw import PHOTOS
from benchmarks.ray_serve import RayServe, ray_serving
from benchmarks.serving import TLS, Server, children, descendants, serving
from benchmarks.throughput import HERE, cpu_s, lua

# Process ids: in front, the servers' own processes, workers, and what Ray has besides.
Groups = Mapping[str, Sequence[int]]
FRONT, SERVERS, WORKERS, OTHERS = "front", "servers", "workers", "others"
_JUDGED_S, _IDLE_S = 300.0, 5.0
_HEAD = (
    *("backend", "connections", "", "answers/s", "of one server", "p50 ms", "p99 ms"),
    *("CPU ms a request: in front", "servers", "others"),
)


@dataclass(frozen=True)
class Contestant:
    """What is asked at `url`."""

    name: str
    url: str
    groups: Groups


def main() -> int:
    """Measure and print a table in Markdown; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=lambda text: text.split(","), default=["native", "onnx"])
    parser.add_argument("--connections", type=lambda text: list(map(int, text.split(","))), default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--ask", action="store_true", help="wait for a line on standard input when all are ready")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        contestants = start(Path(folder) / "yolox_nano", stack)
        for one in contestants:
            for backend in args.backends:
                load(one, backend, 8, 2)  # the first seconds are slower
        if args.ask:
            print("ready", file=sys.stderr, flush=True)
            sys.stdin.readline()
        idle = {one.name: idle_ms(one) for one in contestants}
        rounds = list(measure(contestants, args))
        memory = {one.name: {name: memory_mb(pids) for name, pids in one.groups.items()} for one in contestants}
    return report(rounds, idle, memory, args)


def start(model: Path, stack: ExitStack) -> list[Contestant]:
    """All of them, ready, with every copy judged: what the gate asks costs too."""
    shutil.copytree(bundled_model() / "1", model / "1")
    environ = {"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": "onnx", "DETECTOR_SHADOW_SHARE": "0"}
    environ |= {"DETECTOR_STARTUP_CONVERSION": "blocking", "DETECTOR_GATE_SECONDS": "0.2"}
    environ |= {"DETECTOR_GATE_IMAGES": str(PHOTOS[0].parent)}  # small ones alone: larger ones take minutes to judge
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    one = ready(stack, environ, cores)
    two = [ready(stack, environ, cores[:half]), ready(stack, environ, cores[half:])]
    proxy = stack.enter_context(nginx.before([server.url for server in two]))
    rays = [stack.enter_context(ray_serving(environ, cores=half, haproxy=each)) for each in (False, True)]
    for ray in rays:
        ray.wait_until(lambda ray=ray: len(ray.own_urls()) == ray.most)  # type: ignore[misc]  # a lambda's default
    for url in [server.url for server in (one, *two)] + [url for ray in rays for url in ray.own_urls()]:
        wait_until_judged(url)
    return [
        Contestant("one server", one.url, groups_of([one], [])),
        Contestant("two behind nginx", proxy.url, groups_of(two, [proxy.process.pid, *children(proxy.process.pid)])),
        Contestant("Ray Serve, its proxy in Python", rays[0].url, ray_groups(rays[0])),
        Contestant("Ray Serve with HAProxy", rays[1].url, ray_groups(rays[1])),
    ]


def ready(stack: ExitStack, environ: Mapping[str, str], cores: Sequence[int]) -> Server:
    """A server on these cores."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        server = stack.enter_context(serving(environ))
    finally:
        os.sched_setaffinity(0, all_cores)
    server.wait_until_ready(within_s=600)
    return server


def wait_until_judged(url: str) -> None:
    """Return when the copy has a verdict."""
    end = time.monotonic() + _JUDGED_S
    while time.monotonic() < end:
        if httpx.get(f"{url}/model", verify=TLS).json()["backends"]["onnx"]["verdict"]:
            return
        time.sleep(0.5)
    raise RuntimeError(f"{url} has not judged its copy")


def groups_of(servers: Sequence[Server], front: Sequence[int]) -> Groups:
    """The processes of servers and of what stands in front of them."""
    pids = [server.process.pid for server in servers]
    return {FRONT: front, SERVERS: pids, WORKERS: [each for pid in pids for each in children(pid)], OTHERS: []}


def ray_groups(ray: RayServe) -> Groups:
    """Ray's processes: those that requests go through, replicas, workers, and all others."""
    front = ray.pids(b"ray::ProxyActor", b"ray::HAProxyManager", b"haproxy") + [
        pid for pid in descendants(ray.process.pid) if name_of(pid) == "haproxy"
    ]
    found: dict[str, Sequence[int]] = {FRONT: sorted(set(front)), SERVERS: ray.replicas, WORKERS: ray.worker_pids()}
    known = {pid for pids in found.values() for pid in pids}
    return {**found, OTHERS: [pid for pid in (ray.process.pid, *descendants(ray.process.pid)) if pid not in known]}


def name_of(pid: int) -> str:
    """The name of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def measure(contestants: Sequence[Contestant], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What each answered, each time that it was asked."""
    for number in range(args.rounds):
        for backend in args.backends:
            for connections in args.connections:
                for one in contestants[:: -1 if number % 2 else 1]:
                    found = load(one, backend, connections, args.seconds)
                    yield {"name": one.name, "backend": backend, "connections": connections, **found}


def load(one: Contestant, backend: str, connections: int, seconds: int) -> dict[str, Any]:
    """wrk over the photos; answers a second, latency, and CPU time a request of each group of processes."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "detect.lua"), one.url]
    before = {name: total_cpu_s(pids) for name, pids in one.groups.items()}
    done = subprocess.run([*command, backend, *map(str, PHOTOS)], env=lua(), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    found["rate"] = found["answers"] / found["seconds"]
    for name, pids in one.groups.items():
        found[name] = 1000 * (total_cpu_s(pids) - before[name]) / max(1, found["answers"])
    print(json.dumps({"name": one.name, "backend": backend, "connections": connections, **found}), file=sys.stderr)
    return found


def total_cpu_s(pids: Sequence[int]) -> float:
    """CPU time that these processes have taken."""
    return sum(cpu_s(pid) for pid in pids if Path(f"/proc/{pid}").exists())


def idle_ms(one: Contestant) -> float:
    """CPU time a second, in ms, that it takes when nobody asks."""
    pids = [pid for group in one.groups.values() for pid in group]
    before = total_cpu_s(pids)
    time.sleep(_IDLE_S)
    return 1000 * (total_cpu_s(pids) - before) / _IDLE_S


def memory_mb(pids: Sequence[int]) -> float:
    """What these processes hold together, each page counted once."""
    return sum(map(pss_kb, pids)) / 1024


def report(
    rounds: Sequence[Mapping[str, Any]],
    idle: Mapping[str, float],
    memory: Mapping[str, Mapping[str, float]],
    args: argparse.Namespace,
) -> int:
    """The medians as tables."""
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores; {args.rounds} rounds of {args.seconds} s.\n")
    print(f"| {' | '.join(_HEAD)} |\n{'|---' * len(_HEAD)}|")
    for backend in args.backends:
        for connections in args.connections:
            some = [one for one in rounds if (one["backend"], one["connections"]) == (backend, connections)]
            for name in idle:
                print(f"| `{backend}` | {connections} | {row(name, some)} |")
    print("\n| | CPU ms a second when nobody asks | memory MB: in front | servers | workers | others |")
    print("|---|---|---|---|---|---|")
    for name, groups in memory.items():
        print(f"| {name} | {idle[name]:.0f} | {' | '.join(f'{groups[each]:.0f}' for each in groups)} |")
    return int(any(one["not_2xx"] or one["broken"] for one in rounds))


def row(name: str, some: Sequence[Mapping[str, Any]]) -> str:
    """A contestant's medians; the ratio is that of the rates in the same round."""
    its, first = ([one for one in some if one["name"] == each] for each in (name, "one server"))
    ratio = statistics.median(one["rate"] / other["rate"] for one, other in zip(its, first, strict=True))
    rate, p50, p99, *cpu = (
        statistics.median(one[key] for one in its) for key in ("rate", "p50_ms", "p99_ms", FRONT, SERVERS, OTHERS)
    )
    cells = [name, f"{rate:.1f}", f"{ratio:.2f}", f"{p50:.1f}", f"{p99:.1f}", *(f"{each:.2f}" for each in cpu)]
    return " | ".join(cells)


if __name__ == "__main__":
    sys.exit(main())
