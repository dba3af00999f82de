"""Runs the server as its users do: `python -m app serve` in a process of its own, on a port of its own."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from converter.sizes import SIZES

# Made once: httpx makes one for each client that is given none, in 45 ms of CPU.
TLS = ssl.create_default_context()


@dataclass
class Server:
    """A running server; `log` is the file that its standard error goes to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def client(self) -> httpx.Client:
        """A new client; use it in a `with`."""
        return httpx.Client(base_url=self.url, timeout=60, verify=TLS)

    def get(self, path: str) -> httpx.Response:
        """What it answers to anybody."""
        with self.client as client:
            return client.get(path)

    def wait_until_ready(self, *, within_s: float = 240) -> None:
        """Return when /readyz says so; RuntimeError with the log if the process ends or the time runs out."""
        self.wait_until(lambda: self.get("/readyz").status_code == 200, within_s=within_s)

    def wait_until(self, condition: Any, *, within_s: float = 240) -> None:
        """Ask `condition` until it holds."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(0.05)
        raise RuntimeError(f"it did not happen; the log:\n{self.log.read_text()}")

    def wait_until_settled(self, *copies: str, within_s: float = 600) -> None:
        """Wait until nothing goes on by itself that takes cores from requests, or changes how they are answered.

        Native has tried its largest batch too, and the gate has judged these copies on pictures of every size.
        """

        def settled() -> bool:
            backends = self.model()["backends"]
            verdicts = [backends[copy]["verdict"] or {"sizes": {}} for copy in copies]
            judged = all(verdict["sizes"].keys() >= set(SIZES) for verdict in verdicts)
            return judged and len(backends["native"]["batch_sizes"] or ()) > 1

        self.wait_until(settled, within_s=within_s)

    def detect(self, photo: bytes, **parameters: Any) -> httpx.Response:
        """POST one picture."""
        with self.client as client:
            return client.post("/detect", content=photo, params=parameters, headers={"Content-Type": "image/jpeg"})

    def admin(self, method: str, path: str, **how: Any) -> httpx.Response:
        """One request of somebody who has the admin's token, `secret`."""
        headers = {"Authorization": "Bearer secret", **how.pop("headers", {})}
        with self.client as client:
            return client.request(method, path, headers=headers, **{"timeout": 120, **how})

    def convert(self, **options: Any) -> Any:
        """The job that a conversion becomes."""
        response = self.admin("POST", "/convert", json=options)
        if response.status_code != 202:
            raise RuntimeError(f"POST /convert answered {response.status_code}: {response.text}")
        return response.json()

    def job(self, job: Any) -> Any:
        """The job as it stands now."""
        return self.admin("GET", f"/convert/jobs/{job['id']}").json()

    def ended(self, job: Any) -> Any:
        """The job once it has ended."""
        self.wait_until(lambda: self.job(job)["finished"], within_s=300)  # the converter comes after all else
        return self.job(job)

    def model(self) -> Any:
        """The answer of /model."""
        return self.get("/model").json()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples called `name` that have these labels."""
        text = self.get("/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def worker_pid(self, backend: str) -> int:
        """The process id of the worker that serves `backend`, found by its command line."""
        for pid in children(self.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--name" in command and command[command.index(b"--name") + 1] == backend.encode():
                return pid
        raise LookupError(f"no worker for {backend}")

    def stop(self, *, sig: signal.Signals = signal.SIGINT) -> int:
        """End it and wait; the exit code."""
        self.process.send_signal(sig)
        return self.process.wait(timeout=30)


@contextmanager
def serving(
    environ: Mapping[str, str] | None = None, *, cwd: Path | None = None, program: Sequence[str] = ("app", "serve")
) -> Iterator[Server]:
    """Start a server with these DETECTOR_* variables and none of ours; end it and all its processes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        port = free_port()
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", *program],
                cwd=cwd,
                env=clean_environ({**(environ or {}), "DETECTOR_BIND": f"127.0.0.1:{port}"}),
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            yield server
        finally:
            left = descendants(process.pid)
            if process.poll() is None:
                server.stop()
            assert_gone(left)


def clean_environ(extra: Mapping[str, str]) -> dict[str, str]:
    """This process' environment without its DETECTOR_* variables, with `extra`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DETECTOR_")} | dict(extra)


def copied(versions: Path, folder: Path) -> Path:
    """The folder of a model's versions, with its copies and its jobs, again at `folder`."""
    return Path(shutil.copytree(versions, folder))


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Process ids of the direct children of `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
            except OSError:
                continue  # it has just ended
            if re.search(rf"^PPid:\t{pid}$", status, re.MULTILINE):
                found.append(int(entry.name))
    return found


def descendants(pid: int) -> list[int]:
    """Process ids of the children of `pid`, and of theirs."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def assert_gone(pids: list[int]) -> None:
    """Wait until none of these processes is left."""
    end = time.monotonic() + 10
    while left := [pid for pid in pids if lives(pid)]:
        if time.monotonic() > end:
            raise AssertionError(f"processes left behind: {left}")
        time.sleep(0.05)


def lives(pid: int) -> bool:
    """Whether the process has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
