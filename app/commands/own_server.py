"""A server of one's own for as long as a command runs."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from app.choices import AUTO, NATIVE
from app.commands.asking import NoServer

_READY_S, _ANSWER_S, _END_S = 600.0, 5.0, 20.0
_ASK_EVERY_S = 0.1
# Copies take minutes to make: what is there is loaded, and what is not is only made if it is asked for.
_QUICK = {"DETECTOR_STARTUP_CONVERSION": "off", "DETECTOR_DRAIN_SECONDS": "0", "DETECTOR_SHADOW_SHARE": "0"}


@contextmanager
def serving(environ: Mapping[str, str], *, parameters: Mapping[str, Any]) -> Iterator[str]:
    """The URL of a server of the model that the settings name, ready; it ends with the block.

    NoServer with the end of its log if it does not become ready.
    """
    wants_copies = parameters.get("backend", AUTO) not in (AUTO, NATIVE)
    start = {"DETECTOR_STARTUP_CONVERSION": "blocking"} if wants_copies else {"DETECTOR_COPIES": ""}
    bind = f"127.0.0.1:{_free_port()}"
    alone = {"DETECTOR_BIND": bind, "DETECTOR_ROOT_PATH": "", "DETECTOR_GRPC_BIND": ""}
    settings = {**environ, **_QUICK, **start, **alone}
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "app", "serve"]
        process = subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(process, bind, log)
            yield f"http://{bind}"
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: "subprocess.Popen[bytes]", bind: str, log: IO[bytes]) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        if is_ready(bind):
            return
        time.sleep(_ASK_EVERY_S)
    log.seek(max(0, log.seek(0, os.SEEK_END) - 2_000))
    last = log.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    raise NoServer(f"the server that was started does not serve: {''.join(last)}")


def is_ready(bind: str) -> bool:
    """Whether the server that listens there is ready, asked directly: a proxy of the environment does not know it."""
    connection = http.client.HTTPConnection(bind, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):  # it does not listen yet, or has no time to answer
        return False
    finally:
        connection.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
