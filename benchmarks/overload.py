"""What overload costs, in one run: `make overload`. Needs wrk (Debian's package `wrk`).

Capacity is what 8 connections get. Then requests come at three times that rate, whatever is answered (an open loop);
then 256 clients ask again as soon as they have an answer (a closed loop), whatever Retry-After says.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.choices import AUTO, NATIVE
from app.settings import bundled_model
from benchmarks.raw import PHOTOS
from benchmarks.serving import Server, serving
from benchmarks.throughput import cpu_s, lua

HERE = Path(__file__).parent
TIMES, CLIENTS, QUEUE_LIMIT = 3, 256, 64


def main() -> int:
    """Measure and print a table in Markdown; 1 if anything was neither an answer nor a refusal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--copy", default="", help="has `auto` answered, by this copy, in place of native alone")
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        print("overload: wrk is needed (apt-get install wrk)", file=sys.stderr)
        return 2
    environ = {"DETECTOR_COPIES": args.copy, "DETECTOR_SHADOW_SHARE": "0", "DETECTOR_QUEUE_LIMIT": str(QUEUE_LIMIT)}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "1")
        with serving({**environ, "DETECTOR_MODEL": folder}) as server:
            server.wait_until_ready(within_s=300)
            server.wait_until_settled(*filter(None, [args.copy]))
            overloading = Overloading(server, AUTO if args.copy else NATIVE)
            overloading.load(8, 3)
            found = overloading.measure(args.seconds)
    report(found, overloading.backend)
    return int(any(found[how]["others"] or found[how]["broken"] for how in ("open", "closed")))


@dataclass(frozen=True, slots=True)
class Overloading:
    """What is offered to a server for one of its backends."""

    server: Server
    backend: str

    def measure(self, seconds: int) -> dict[str, Any]:
        """Capacity, before and after; the two kinds of overload; API CPU of a refusal beyond that of the answers."""
        before, pid = self.load(8, seconds), self.server.process.pid
        cpu = cpu_s(pid)
        opened = asyncio.run(offer(self.server, self.backend, TIMES * before["rate"], seconds))
        opened["cpu_ms"] = cpu_ms(cpu_s(pid) - cpu, opened, before)
        closed = self.load(CLIENTS, seconds)
        after = self.load(8, seconds)
        closed["cpu_ms"] = cpu_ms(closed["cpu_s"], closed, before)
        return {"capacity": (before["rate"] + after["rate"]) / 2, "open": opened, "closed": closed}

    def load(self, connections: int, seconds: int) -> dict[str, Any]:
        """wrk over the photos, as fast as they are answered."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        before = cpu_s(self.server.process.pid)
        command += ["-s", str(HERE / "overload.lua"), self.server.url, self.backend, *map(str, PHOTOS)]
        done = subprocess.run(command, env=lua(), capture_output=True, text=True, check=True)
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        result["rate"] = result["answers"] / result["seconds"]
        result["cpu_s"] = cpu_s(self.server.process.pid) - before
        return result


def cpu_ms(spent_s: float, found: dict[str, Any], alone: dict[str, Any]) -> float:
    """Milliseconds of the API's CPU that a refusal took; an answer takes what it takes without refusals."""
    beside: float = found["answers"] * alone["cpu_s"] / alone["answers"]
    return 1000 * (spent_s - beside) / max(1, int(found["refusals"]))


@dataclass
class Callers:
    """Clients of an open loop, who share connections that are kept."""

    host: str
    port: int
    times: dict[str, list[float]] = field(default_factory=lambda: {"answers": [], "refusals": [], "others": []})
    broken: int = 0
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, request: bytes) -> None:
        """One request, over a connection that is free or a new one."""
        started = time.perf_counter()
        try:
            reader, writer = self.free.pop() if self.free else await asyncio.open_connection(self.host, self.port)
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length))
        except (OSError, EOFError):
            self.broken += 1
            return
        refused = head.startswith(b"http/1.1 429") and b"retry-after:" in head
        kind = "answers" if head.startswith(b"http/1.1 200") else "refusals" if refused else "others"
        self.times[kind].append(time.perf_counter() - started)
        if b"connection: close" in head:
            writer.close()
        else:
            self.free.append((reader, writer))


async def offer(server: Server, backend: str, rate: float, seconds: int) -> dict[str, Any]:
    """Requests at a steady rate, whatever is answered."""
    where = urlsplit(server.url)
    callers = Callers(str(where.hostname), int(where.port or 80))
    head = b"POST /detect?backend=%b HTTP/1.1\r\nHost: localhost\r\n" % backend.encode()
    head += b"Content-Type: image/jpeg\r\n"
    bodies = [photo.read_bytes() for photo in PHOTOS]
    requests = [head + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies]
    begun, asked = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0, begun + number / rate - time.perf_counter()))
        asked.append(asyncio.create_task(callers.ask(requests[number % len(requests)])))
    lasted = time.perf_counter() - begun
    await asyncio.gather(*asked)
    for _, writer in callers.free:
        writer.close()
    counts: dict[str, Any] = {kind: len(times) for kind, times in callers.times.items()}
    p99s = {f"{kind}_p99_ms": 1000 * p99(times) for kind, times in callers.times.items()}
    return {**counts, **p99s, "broken": callers.broken, "seconds": lasted, "rate": counts["answers"] / lasted}


def p99(times: list[float]) -> float:
    """The 99th of a hundred; NaN of none."""
    return sorted(times)[int(0.99 * len(times))] if times else float("nan")


def report(found: dict[str, Any], backend: str) -> None:
    """The table."""
    capacity, opened, closed = found["capacity"], found["open"], found["closed"]
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, the clients on them; `{backend}`.\n")
    print(f"Capacity: {capacity:.1f} answers/s at 8 connections. Twice the queue's time: ", end="")
    print(f"{2000 * QUEUE_LIMIT / capacity:.0f} ms.\n")
    print("| overload | answers/s | of capacity | p99 ms | refusals/s | p99 ms | API CPU ms each | resets, others |")
    print("|---|---|---|---|---|---|---|---|")
    rows = {f"open loop, {TIMES} x capacity": opened, f"{CLIENTS} clients that ask again at once": closed}
    for name, one in rows.items():
        p99s = [f"{one[key]:.0f}" if key in one else "" for key in ("answers_p99_ms", "refusals_p99_ms")]
        print(f"| {name} | {one['rate']:.1f} | {one['rate'] / capacity:.2f} | {p99s[0]} ", end="")
        print(f"| {one['refusals'] / one['seconds']:.0f} | {p99s[1]} | {one['cpu_ms']:.2f} ", end="")
        print(f"| {one['broken']}, {one['others']} |")


if __name__ == "__main__":
    sys.exit(main())
