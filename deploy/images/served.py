"""Asks the server of an image what its users ask, and ends it as an engine does."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from deploy.images.engine import ROOT, Config, Engine, NotFit, Running

PHOTOS = {"converter/photos/coffee.jpg": "cup", "tests/data/dog.jpg": "dog"}
READY_S, COPY_S = 300, 900
# A container's first process is not ended by a signal that it sends itself; so a server that has drained returns.
ENDED_IN_ORDER = 0


def check_serving(engine: Engine, target: str, config: Config) -> Iterator[str]:
    """Photos are answered by native, then by the copy that it makes; it is healthy, and ends in order."""
    if engine.run(target, config.health).returncode != 1:
        raise NotFit("HEALTHCHECK passes without a server, so it tells nothing")
    with engine.serve(target) as server:
        begun = time.monotonic()
        wait_until(server, lambda: get(server, "/readyz") is not None, READY_S)
        yield f"ready after {time.monotonic() - begun:.1f} s; {answers(server, 'native')}"
        health = server.run(config.health)
        if health.returncode != 0:
            raise NotFit(f"HEALTHCHECK fails beside a server that is ready: {health.stderr.strip()}")
        wait_until(server, lambda: told(server).get("active") == "onnx", COPY_S)
        yield f"its copy answers `auto` after {time.monotonic() - begun:.0f} s; {answers(server, 'auto', by='onnx')}"
        begun = time.monotonic()
        code = ended(server)
        yield f"healthy by its HEALTHCHECK; ended with {code}, {time.monotonic() - begun:.1f} s after SIGTERM"


def ended(server: Running) -> int:
    """Its exit code after SIGTERM. NotFit if it is another one than it should be, or does not come in time."""
    try:
        code = server.stop()
    except subprocess.TimeoutExpired as error:
        raise NotFit(f"it has not ended {error.timeout:.0f} s after SIGTERM: {server.log()[-500:]}") from error
    if code != ENDED_IN_ORDER:
        raise NotFit(f"it ended with {code} after SIGTERM: {server.log()[-500:]}")
    return code


def answers(server: Running, backend: str, *, by: str | None = None) -> str:
    """Send the photos to a backend; what came back, as words. NotFit if it is not what is in them."""
    said = []
    for path, label in PHOTOS.items():
        request = urllib.request.Request(f"{server.url}/detect?backend={backend}", (ROOT / path).read_bytes())
        request.add_header("Content-Type", "image/jpeg")
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        labels = [each["label"] for each in answer["detections"]]
        if label not in labels or answer["backend"] != (by or backend):
            raise NotFit(f"{path}: {answer['backend']} answers {labels}, not {label} by {by or backend}")
        said.append(f"{label} in {path.rpartition('/')[2]}")
    return f"{by or backend} finds {', '.join(said)}"


def told(server: Running) -> dict[str, Any]:
    """What /model says. NotFit where the copy was made and will not answer."""
    model: dict[str, Any] = json.loads(get(server, "/model") or "{}")
    state = model.get("backends", {}).get("onnx", {}).get("state")
    if state in ("failed", "unavailable"):
        raise NotFit(f"the copy is {state}: {model['backends']['onnx']}")
    return model


def wait_until(server: Running, condition: Callable[[], bool], within_s: float) -> None:
    """Return when it holds. NotFit with the log if the server ends or the time runs out."""
    end = time.monotonic() + within_s
    while time.monotonic() < end and server.exit_code() is None:
        if condition():
            return
        time.sleep(0.2)
    raise NotFit(f"the server has ended with {server.exit_code()}, or {within_s} s were over: {server.log()[-1000:]}")


def get(server: Running, path: str) -> str | None:
    """What it answers; None if it does not listen yet, or answers an error."""
    try:
        with urllib.request.urlopen(server.url + path, timeout=10) as response:
            return str(response.read(), "utf-8")
    except (urllib.error.URLError, ConnectionError):
        return None
