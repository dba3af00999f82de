"""A server under measurement: started, timed until its first answer, weighed, ended with all its processes."""

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.contestants import Sent
from benchmarks.serving import descendants, free_port, lives

ROOT = Path(__file__).parent.parent.parent
START_S, END_S = 180.0, 20.0
_ANSWER_S = 30.0


class NotStarted(Exception):
    """It never answered; why."""


@dataclass
class Running:
    """A server that answers."""

    process: "subprocess.Popen[bytes]"
    port: int
    cold_s: float  # from its start to its first 200

    @property
    def memory_mb(self) -> float:
        """What its processes hold together, each page counted once."""
        return sum(pss_kb(pid) for pid in (self.process.pid, *descendants(self.process.pid))) / 1024


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str], path: str, picture: Sent) -> Iterator[Running]:
    """Start a server; `{port}` in its command is the port. NotStarted if it never answers the picture."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [word.format(port=port) for word in command],
        cwd=ROOT,
        env=dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while (status := ask(port, path, picture)) != 200:
            if process.poll() is not None or time.perf_counter() - began > START_S:
                raise NotStarted(f"no answer ({status or 'nothing listens'}) after {time.perf_counter() - began:.0f} s")
            time.sleep(0.05)
        yield Running(process, port, time.perf_counter() - began)
    finally:
        _end(process)


def ask(port: int, path: str, picture: Sent | None = None) -> int:
    """The status of one request, a GET without a picture; 0 if there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    with contextlib.closing(connection):
        try:
            if picture is None:
                connection.request("GET", path)
            else:
                headers = {"Content-Type": picture.content_type, picture.header[0]: picture.header[1]}
                connection.request("POST", path, picture.body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return 0
        return response.status


def _end(process: "subprocess.Popen[bytes]") -> None:
    left = [process.pid, *descendants(process.pid)]
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    for pid in filter(lives, left):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def pss_kb(pid: int) -> int:
    """What a process holds, its share of what it holds together with others; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has just ended
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
