"""What the server's processes take of the machine, read from /proc whenever somebody scrapes."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

SERVER = "server"
_TEXTS = {
    "memory": "Memory that a process holds (resident set): `server`, or a worker of a backend (`replica`). Linux only.",
    "cpu": "CPU time of a process, over all its threads. Linux only.",
    "handles": "Open files and connections of a process. Linux only.",
}
_Families = tuple[GaugeMetricFamily, CounterMetricFamily, GaugeMetricFamily]


class Processes(Collector):
    """Series by `process` and `replica`, of those that are watched and live; none where there is no /proc."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._pids: dict[tuple[str, str], Callable[[], int | None]] = {(SERVER, ""): os.getpid}

    def watch(self, name: str, pid: Callable[[], int | None], *, replica: int = 0) -> None:
        """Tell of the process whose id `pid` gives, at each scrape; None: there is none now."""
        self._pids[name, str(replica)] = pid

    def describe(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The families, without series."""
        yield from _families()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The families with what each process takes now."""
        families = _families()
        for labels, pid_of in self._pids.items():
            if (pid := pid_of()) is not None:
                self._tell(families, labels, self._proc / str(pid))
        yield from families

    def _tell(self, families: _Families, labels: Sequence[str], folder: Path) -> None:
        memory, cpu, handles = families
        for family, read in ((memory, _resident_bytes), (cpu, _cpu_seconds), (handles, _handles)):
            try:
                value = read(folder)
            except OSError:  # it has just ended, may not be looked at, or there is no /proc
                continue
            family.add_metric(labels, value)


def _families() -> _Families:
    return (
        GaugeMetricFamily("detector_process_memory_bytes", _TEXTS["memory"], labels=["process", "replica"]),
        CounterMetricFamily("detector_process_cpu_seconds", _TEXTS["cpu"], labels=["process", "replica"]),
        GaugeMetricFamily("detector_process_handles", _TEXTS["handles"], labels=["process", "replica"]),
    )


def _resident_bytes(folder: Path) -> float:
    return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds(folder: Path) -> float:
    # The name in brackets may have spaces; user and system time are the 12th and 13th field after it.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _handles(folder: Path) -> float:
    return len(os.listdir(folder / "fd"))
