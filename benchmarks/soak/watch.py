"""What the server's processes hold, sampled twice a second beside the load, and how it grows."""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from benchmarks.serving import Server, children

_EVERY_S = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")
API = "API"


@dataclass
class Samples:
    """Moments (of time.monotonic) and bytes held then, by process: the API's own and each backend's worker."""

    held: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def note(self, held: Mapping[str, int]) -> None:
        """One more sample of each."""
        now = time.monotonic()
        for name, size in held.items():
            self.held.setdefault(name, []).append((now, size))

    def slopes(self, since: float, *, window_s: float) -> dict[str, float]:
        """MB a minute by process, from `since` on (see `slope`)."""
        later = {name: [each for each in samples if each[0] >= since] for name, samples in self.held.items()}
        return {name: slope(samples, window_s=window_s) for name, samples in later.items()}


def slope(samples: Sequence[tuple[float, int]], *, window_s: float) -> float:
    """MB a minute: the median of the slopes between all medians of `window_s` (Theil-Sen); 0 for fewer than two.

    Memory that is taken for some seconds and given back moves neither a median nor this.
    """
    windows: dict[int, list[tuple[float, int]]] = {}
    for moment, size in samples:
        windows.setdefault(int(moment // window_s), []).append((moment, size))
    points = [
        (statistics.mean(moment for moment, _ in each), statistics.median(size for _, size in each))
        for each in windows.values()
    ]
    slopes = [(high - low) / (end - begin) for (begin, low), (end, high) in combinations(sorted(points), 2)]
    return statistics.median(slopes) * 60 / 1e6 if slopes else 0.0


@contextmanager
def watched(server: Server) -> Iterator[Samples]:
    """Sample while the block runs."""
    samples, stop = Samples(), threading.Event()

    def sample() -> None:
        while not stop.wait(_EVERY_S):
            samples.note({name: _held(pid) for name, pid in processes(server).items()})

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def processes(server: Server) -> dict[str, int]:
    """The API's process and the worker of each backend; of two that are swapped, the older."""
    found = {API: server.process.pid}
    for pid in sorted(children(server.process.pid), key=_started, reverse=True):
        command = _read(pid, "cmdline").split("\0")
        if "--name" in command:
            found[command[command.index("--name") + 1]] = pid
    return found


def resources(server: Server) -> dict[str, int]:
    """Open handles and threads of each process, and how many children the server has."""
    counts = {"children": len(children(server.process.pid))}
    for name, pid in processes(server).items():
        counts[f"{name} handles"] = len(os.listdir(f"/proc/{pid}/fd"))
        counts[f"{name} threads"] = len(os.listdir(f"/proc/{pid}/task"))
    return counts


def _held(pid: int) -> int:
    statm = _read(pid, "statm").split()
    return int(statm[1]) * _PAGE if statm else 0


def _started(pid: int) -> int:
    stat = _read(pid, "stat").rpartition(")")[2].split()
    return int(stat[19]) if stat else 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""  # it has just ended
