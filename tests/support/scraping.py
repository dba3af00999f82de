"""Debian's Prometheus with our configuration, in a hurry: it scrapes one server every half second."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.serving import TLS, free_port
from tests.support.places import ROOT

DEPLOY = ROOT / "deploy"
SCRAPE_S = 0.5


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str, *, at: float) -> list[dict[str, Any]]:
        """The series that an instant query gives for a moment, of time.time; samples are (time, value)."""
        asked = {"query": expression, "time": f"{at:.3f}"}
        response = httpx.get(f"{self.url}/api/v1/query", params=asked, timeout=20, verify=TLS)
        body = response.json()
        assert body["status"] == "success", (expression, body)
        found: list[dict[str, Any]] = body["data"]["result"]
        return found

    def value(self, expression: str, *, at: float) -> float:
        """The value of the one series that a query gives."""
        [series] = self.query(expression, at=at)
        return float(series["value"][1])


@contextmanager
def scraping(target: str, folder: Path) -> Iterator[Prometheus]:
    """Prometheus with deploy/prometheus, for the server at `target` (host:port); its data goes to `folder`."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(
        ("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{SCRAPE_S * 1000:.0f}ms"
    )
    config["rule_files"] = [str(DEPLOY / "prometheus" / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log)
    try:
        started = Prometheus(f"http://127.0.0.1:{port}")
        _wait(started, folder / "log")
        yield started
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(prometheus: Prometheus, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if httpx.get(f"{prometheus.url}/-/ready", verify=TLS).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise RuntimeError(f"Prometheus does not become ready; its log:\n{log.read_text()}")
