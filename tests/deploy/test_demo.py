"""`make demo` as it is run: traffic moves the series, a worse copy is shown to be one, and nothing is left behind."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving import TLS, Server, assert_gone, clean_environ, descendants, free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.system
@pytest.mark.tensorflow
def test_the_demo_moves_the_page_and_prometheus_and_ends_clean(tmp_path: Path) -> None:
    bind, prometheus, log = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", tmp_path / "log"
    quick = {"DETECTOR_MAX_BATCH": "1", "DETECTOR_GATE_SECONDS": "0.2", "DETECTOR_DRAIN_SECONDS": "0"}
    environ = clean_environ({"DETECTOR_BIND": bind, **quick})
    command = [sys.executable, "deploy/demo.py", "--worse", "--seconds", "90", "--prometheus", prometheus]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=stderr)
    server = Server(process, f"http://{bind}", log)
    server.wait_until_ready()
    server.wait_until(lambda: server.metric("detector_images_total", result="ok") > 3)
    asked = {"query": "sum(detector_images_total)"}
    server.wait_until(
        lambda: httpx.get(f"http://{prometheus}/api/v1/query", params=asked, verify=TLS).json()["data"]["result"]
    )
    server.wait_until(lambda: worst(server))
    assert server.model()["backends"]["frozen"]["reason"].startswith("disagrees: ")
    left = descendants(process.pid)
    process.send_signal(signal.SIGTERM)  # as Ctrl-C does it
    assert process.wait(timeout=60) == 0
    assert_gone(left)
    assert re.search(rf"^demo: the page: http://{bind} .*demo", log.read_text(), re.MULTILINE)


def worst(server: Server) -> Any:
    """The requests that the page lists because the copy disagreed."""
    return server.get("/compare").json()["copies"]["frozen"]["window"]["worst"]


def test_make_demo_is_this_program() -> None:
    dry = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "deploy/demo.py" in dry.stdout
