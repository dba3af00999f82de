"""`make demo`: the server, some traffic over the packaged photos, and Debian's Prometheus if it is installed.

    python deploy/demo.py [--seconds N] [--prometheus 127.0.0.1:9095] [--worse]

DETECTOR_* variables reach the server. Ctrl-C ends all of it. So that the page moves, more requests than usual are
compared, and the admin's token is `demo`, unless the variables say otherwise. With --worse the bundled model has a copy
that decodes pictures coarsely and disagrees with it: so the page shows what a copy looks like that disagrees.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "models" / "yolox_nano" / "1"
CALM_PAUSE_S, BUSY_PAUSE_S, WAVE_S = 0.6, 0.1, 60.0
BROKEN_ONE_IN = 40
# A proxy set for the machine is not meant for questions to itself.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run until Ctrl-C, or for so many seconds once the server is ready."""
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--prometheus", default="127.0.0.1:9095", metavar="ADDRESS")
    parser.add_argument("--worse", action="store_true", help="beside a copy that disagrees with native")
    options = parser.parse_args(argv)
    bind = environ.get("DETECTOR_BIND") or "127.0.0.1:8000"
    environ = {"DETECTOR_SHADOW_SHARE": "0.2", "DETECTOR_ADMIN_TOKEN": "demo", **environ, "DETECTOR_BIND": bind}
    url = f"http://{bind}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which leaves nothing running, either
    with ExitStack() as stack:
        environ = {**environ, **(stack.enter_context(worse_copy()) if options.worse else {})}
        server = stack.enter_context(running([sys.executable, "-m", "app", "serve"], environ))
        if not ready(url, server):
            return 1
        say(f"the page: {url}   the admin's token: {environ['DETECTOR_ADMIN_TOKEN']}   the end: Ctrl-C")
        stack.enter_context(prometheus(bind, options.prometheus, environ))
        try:
            return traffic(url, server, time.monotonic() + options.seconds)
        except KeyboardInterrupt:
            return 0


@contextmanager
def worse_copy() -> Iterator[dict[str, str]]:
    """Variables for a server of the bundled model with a worse copy; their folder goes with the block."""
    with tempfile.TemporaryDirectory() as folder:
        native, copy = Path(folder, "yolox_nano", "1"), Path(folder, "yolox_nano", "1_frozen")
        shutil.copytree(BUNDLED, native)
        command = [sys.executable, str(ROOT / "deploy" / "worse_copy.py"), str(native), str(copy)]
        # TensorFlow's notes on the GPU libraries that it lacks would be the first that somebody sees.
        subprocess.run(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=True)
        yield {"DETECTOR_MODEL": str(native.parent), "DETECTOR_COPIES": "frozen", "DETECTOR_STARTUP_CONVERSION": "off"}


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own, so that Ctrl-C is ours; it is ended at the end."""
    process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def prometheus(target: str, address: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Prometheus with the rules of deploy/, if this machine has one."""
    program = shutil.which("prometheus")
    if program is None:
        say("no Prometheus here (apt install prometheus): the page needs none")
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "deploy" / "prometheus" / "rules.yml", folder)
        config = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        file = Path(folder) / "prometheus.yml"
        file.write_text(config.replace("detector:8000", target), encoding="utf-8")
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
        say(f"Prometheus: http://{address}/alerts")
        with running([*command, f"--web.listen-address={address}"], environ):
            yield


def ready(url: str, server: "subprocess.Popen[bytes]") -> bool:
    """Wait until a backend is warm; False if the server ends before."""
    while server.poll() is None:
        try:
            ask(f"{url}/readyz")
            return True
        except OSError:  # it does not listen yet, or is not ready yet
            time.sleep(0.3)
    return False


def traffic(url: str, server: "subprocess.Popen[bytes]", end: float) -> int:
    """Requests in waves: calm, busy, calm; the exit code."""
    photos = [path.read_bytes() for path in sorted((ROOT / "converter" / "photos").glob("*.jpg"))]
    stop = threading.Event()
    clients = [threading.Thread(target=client, args=(url, photos, stop), daemon=True) for _ in range(2)]
    for each in clients:
        each.start()
    try:
        while server.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        stop.set()
        for each in clients:
            each.join(timeout=30)
    return server.poll() or 0


def client(url: str, photos: Sequence[bytes], stop: threading.Event) -> None:
    """One connection after the other: mostly to whoever answers, sometimes to a backend by name, or to both."""
    chance = random.Random()
    while not stop.is_set():
        photo = chance.choice(photos)
        if chance.randrange(BROKEN_ONE_IN) == 0:
            photo = photo[: len(photo) // 20]
        try:
            warm = [name for name, each in ask(f"{url}/model")["backends"].items() if each["batch_sizes"]]
            copies = [f"both&compare_with={name}" for name in warm if name != "native"]
            ask(f"{url}/detect?backend={chance.choice(['auto', 'auto', *warm, *copies])}", photo)
        except OSError:  # a broken picture, a full queue, a server that has ended
            pass
        busy = abs(time.monotonic() % WAVE_S / WAVE_S * 2 - 1)
        stop.wait((CALM_PAUSE_S + (BUSY_PAUSE_S - CALM_PAUSE_S) * busy) * chance.uniform(0.5, 1.5))


def ask(url: str, photo: bytes | None = None) -> Any:
    """The answer's JSON; OSError if there is none."""
    request = urllib.request.Request(url, data=photo, headers={"Content-Type": "image/jpeg"} if photo else {})
    with DIRECT.open(request, timeout=60) as answer:
        return json.load(answer)


def say(text: str) -> None:
    """One line for the person in front of it."""
    print(f"demo: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
