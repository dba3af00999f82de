"""Listening is told when it is true, and a signal to the whole group ends a server that is still loading in order."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.serving import clean_environ, free_port

pytestmark = pytest.mark.tensorflow


@contextmanager
def started(log: Path, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server in a session of its own, of which nothing is left afterwards."""
    variables = clean_environ({"DETECTOR_COPIES": "", "DETECTOR_LOG_LEVEL": "debug", **environ})
    command = [sys.executable, "-m", "app", "serve"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=variables, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(text: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def group(leader: int) -> list[int]:
    """Who is left in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def assert_nobody_is_left(process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 15  # a worker that is inside of TensorFlow's import sees its closed socket after it
    while group(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert group(process.pid) == []


@pytest.mark.parametrize("later_s", [0, 1.5], ids=["its libraries", "its model"])
def test_a_signal_to_the_group_ends_a_server_that_loads(tmp_path: Path, later_s: float) -> None:
    """The worker imports TensorFlow, or loads the model with it, when the signal comes to it too.

    Who is ready before that has to be looked away from, and drains.
    """
    log = tmp_path / "log"
    with started(log, DETECTOR_BIND="127.0.0.1:0", DETECTOR_DRAIN_SECONDS="2") as process:
        wait_for("listening bind=", log, process)
        time.sleep(later_s)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM, log.read_text()
        assert_nobody_is_left(process)
    text = log.read_text()
    before, _, seconds = text.partition("draining seconds=")
    assert seconds.startswith("2.0\n" if "backend ready" in before else "0.0\n"), text
    assert not [word for word in ("Traceback", "can't be served", " error ", "worker ended") if word in text], text


def test_it_says_where_it_listens_when_it_does(tmp_path: Path) -> None:
    """And tells systemd, by its own protocol."""
    log, address = tmp_path / "log", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60)
        with started(log, DETECTOR_BIND="127.0.0.1:0", NOTIFY_SOCKET=str(address)) as process:
            assert systemd.recv(100) == b"READY=1"
            wait_for(" version=", log, process)  # a thread writes the log
            bound = re.search(r"listening bind=127\.0\.0\.1:(\d+) ", log.read_text())
            assert bound
            socket.create_connection(("127.0.0.1", int(bound[1])), timeout=5).close()
            process.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert process.wait(20) == -signal.SIGTERM


def test_a_port_that_is_taken_is_told_and_nothing_else(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        started(log, DETECTOR_BIND=f"127.0.0.1:{port}") as process,
    ):
        assert process.wait(30) == 3
        assert_nobody_is_left(process)
    assert "address already in use" in log.read_text()
    assert "listening bind=" not in log.read_text()
