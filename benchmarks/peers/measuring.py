"""One server measured: loads over 1, 8, 32 and 256 connections, and good requests beside broken ones."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import Sent
from benchmarks.peers.running import Running, ask

CONNECTIONS = (1, 8, 32, 256)
AMONG_BROKEN = 8  # connections with good pictures beside the broken ones
BROKEN_A_SECOND = 20
WARM_UP_S = 2
LEAST_S = {256: 10}  # who answers all of them needs some seconds for each
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: good pictures, and a broken one, all as this server takes them."""

    path: str
    good: Sequence[Sent]
    broken: Sent


def measure(server: Running, load: Load, seconds: int) -> dict[str, Any]:
    """All loads on a server that answers; nothing of the first seconds counts, in which batches of all sizes come."""
    with tempfile.TemporaryDirectory() as folder:
        files = _written(load.good, Path(folder))

        def wrk(connections: int, duration: int) -> dict[str, Any]:
            found = _wrk(server.port, load, files, connections=connections, seconds=duration)
            ask(server.port, load.path, load.good[0])  # comes after all that still waits
            return found

        wrk(32, WARM_UP_S)
        found: dict[str, Any] = {"cold_s": round(server.cold_s, 2)}
        found |= {str(each): wrk(each, max(seconds, LEAST_S.get(each, 0))) for each in CONNECTIONS}
        with broken_bodies(server.port, load) as statuses:
            among = wrk(AMONG_BROKEN, seconds)
        found["among_broken"] = {**among, "broken_answers": _counted(statuses)}
        found["memory_mb"] = round(server.memory_mb)
    return found


@contextmanager
def broken_bodies(port: int, load: Load) -> Iterator[list[int]]:
    """While the block runs, send a broken body 20 times a second; the statuses of what was answered."""
    statuses: list[int] = []
    with ThreadPoolExecutor(32) as pool, ThreadPoolExecutor(1) as clock:
        ended: list[bool] = []

        def send() -> None:
            statuses.append(ask(port, load.path, load.broken))

        def tick() -> None:
            while not ended:
                pool.submit(send)
                time.sleep(1 / BROKEN_A_SECOND)

        clock.submit(tick)
        try:
            yield statuses
        finally:
            ended.append(True)


def _written(pictures: Sequence[Sent], folder: Path) -> list[str]:
    files = [folder / str(number) for number in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        file.write_bytes(picture.body)
    return list(map(str, files))


def _wrk(port: int, load: Load, files: Sequence[str], *, connections: int, seconds: int) -> dict[str, Any]:
    first = load.good[0]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_HERE / "bodies.lua")]
    command += [f"http://127.0.0.1:{port}", load.path, first.content_type, *first.header, *files]
    environ = {**os.environ, "LUA_PATH": f"{_HERE.parent}/?.lua;;"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    found["rate"] = round((found["answers"] - found["not_2xx"]) / found["seconds"], 2)
    return found


def _counted(statuses: Sequence[int]) -> dict[str, int]:
    return {str(status or "none"): statuses.count(status) for status in sorted(set(statuses))}
