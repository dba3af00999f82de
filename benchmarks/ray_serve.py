"""Runs deploy/ray/serve.yaml as its users do, on this machine alone: `serve run`, on ports of its own."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.serving import TLS, children, clean_environ, descendants, lives

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "deploy" / "ray" / "serve.yaml"
BIN = ROOT / ".ray" / "bin"  # made by `make ray-check` and `make bench-ray`
# Ray's HAProxy tries what a replica that died was working on at another one, if it has the whole request in its buffer.
HAPROXY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "1048576",
}
_END_S = 60.0
_OTHERS = 4  # ports in between that something else may have taken


@dataclass(frozen=True)
class RayServe:
    """A Ray that serves the detector; `first_port`: the one from which on replicas listen by themselves."""

    process: "subprocess.Popen[bytes]"
    url: str
    first_port: int
    most: int  # replicas
    log: Path

    def own_urls(self) -> list[str]:
        """Of the replicas that are ready."""
        urls = [f"http://127.0.0.1:{self.first_port + number}" for number in range(self.most + _OTHERS)]
        return [url for url in urls if answers(f"{url}/readyz")]

    def pids(self, *beginnings: bytes) -> list[int]:
        """Of its processes those whose command line begins like one of these."""
        return [pid for pid in descendants(self.process.pid) if command_line(pid).startswith(beginnings)]

    @property
    def replicas(self) -> list[int]:
        """The process ids of the replicas."""
        return self.pids(b"ray::ServeReplica")

    def worker_pids(self) -> list[int]:
        """Of the processes that the replicas have started."""
        return [each for pid in self.replicas for each in children(pid)]

    def counted(self, name: str, **labels: str) -> list[float]:
        """The sum of all samples called `name` that have these labels, of each replica that is ready."""
        texts = [httpx.get(f"{url}/metrics", verify=TLS).text for url in self.own_urls()]
        return [_sum(text, name, labels) for text in texts]

    def wait_until(self, condition: Callable[[], bool], *, within_s: float = 180) -> None:
        """Ask `condition` until it holds; RuntimeError with the log if it never does."""
        end = time.monotonic() + within_s
        while time.monotonic() < end and self.process.poll() is None:
            if condition():
                return
            time.sleep(0.2)
        raise RuntimeError(f"it did not happen; the log:\n{self.log.read_text()[-20_000:]}")


def _sum(text: str, name: str, labels: Mapping[str, str]) -> float:
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def config_for(port: int, replicas: int, cores: int, environ: Mapping[str, str]) -> dict[str, Any]:
    """serve.yaml with this port, and so many replicas of so many cores, which are not scaled."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    [application] = config["applications"]
    application["runtime_env"]["env_vars"] |= environ
    [deployment] = application["deployments"]
    deployment["ray_actor_options"]["num_cpus"] = cores
    deployment["autoscaling_config"] |= {"min_replicas": replicas, "max_replicas": replicas}
    return config


@contextmanager
def ray_serving(
    environ: Mapping[str, str], *, replicas: int = 2, cores: int = 1, haproxy: bool = False
) -> Iterator[RayServe]:
    """Start it with these DETECTOR_* variables, perhaps behind HAProxy; end it and all its processes at the end."""
    port, first_port = steady_port(), steady_port()
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray's sockets lie in it: their paths must be short
    own = {"DETECTOR_BIND": f"127.0.0.1:{first_port}", **environ}
    file, log = folder / "serve.yaml", folder / "log"
    file.write_text(yaml.safe_dump(config_for(port, replicas, cores, own)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(BIN / "serve"), "run", str(file)],
            cwd=ROOT,
            env=environment(folder, haproxy=haproxy),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield RayServe(process, f"http://127.0.0.1:{port}", first_port, replicas, log)
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path, *, haproxy: bool) -> dict[str, str]:
    """What Ray's processes see: where the project is, and where Ray may write; Ray tells nobody of its use."""
    own = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_TMPDIR": str(folder),
        "TMPDIR": str(folder),  # in it replicas agree on cores: those of another Ray have them too
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deploy.ray.proxy.layers",
    }
    return clean_environ(own | (haproxy_environ(folder) if haproxy else {}))


def haproxy_environ(folder: Path) -> dict[str, str]:
    """README.md's variables for HAProxy, and places and ports of its own."""
    own = {"CONFIG_FILE_LOC": "haproxy.cfg", "SOCKET_PATH": "admin.sock", "SERVER_STATE_FILE": "state"}
    places = {"SERVER_STATE_BASE": str(folder)} | {name: str(folder / file) for name, file in own.items()}
    places |= {name: str(steady_port()) for name in ("METRICS_PORT", "STATS_PORT")}
    return HAPROXY | {f"RAY_SERVE_HAPROXY_{name}": value for name, value in places.items()}


def end(process: "subprocess.Popen[bytes]") -> list[int]:
    """End it as Ctrl-C does; the processes that were left after that, which are killed."""
    left = [process.pid, *descendants(process.pid)]
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _END_S
    while any(map(lives, left)) and time.monotonic() < deadline:
        process.poll()
        time.sleep(0.1)
    stayed = list(filter(lives, left))
    for pid in stayed:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    return stayed


def steady_port() -> int:
    """A free port below those that the system gives to connections: Ray opens many before it listens at this one."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port


def command_line(pid: int) -> bytes:
    """The command line of a process, or the title that it has given itself; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def answers(url: str) -> bool:
    """Whether a GET is answered by 200."""
    try:
        return httpx.get(url, timeout=5, verify=TLS).status_code == 200
    except httpx.HTTPError:
        return False
