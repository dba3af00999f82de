"""`make demo` as it is run: traffic moves the series, and nothing is left behind."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from benchmarks.serving import TLS, Server, assert_gone, clean_environ, descendants, free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.system
@pytest.mark.tensorflow
def test_the_demo_moves_the_page_and_prometheus_and_ends_clean(tmp_path: Path) -> None:
    bind, prometheus, log = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", tmp_path / "log"
    environ = clean_environ({"DETECTOR_BIND": bind, "DETECTOR_COPIES": "", "DETECTOR_DRAIN_SECONDS": "0"})
    command = [sys.executable, "deploy/demo.py", "--seconds", "12", "--prometheus", prometheus]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=stderr)
    server = Server(process, f"http://{bind}", log)
    server.wait_until_ready()
    server.wait_until(lambda: server.metric("detector_images_total", result="ok") > 3)
    asked = {"query": "sum(detector_images_total)"}
    server.wait_until(
        lambda: httpx.get(f"http://{prometheus}/api/v1/query", params=asked, verify=TLS).json()["data"]["result"]
    )
    left = descendants(process.pid)
    assert process.wait(timeout=60) == 0
    assert_gone(left)
    assert re.search(rf"^demo: the page: http://{bind} .*demo", log.read_text(), re.MULTILINE)


def test_make_demo_is_this_program() -> None:
    dry = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "deploy/demo.py" in dry.stdout
