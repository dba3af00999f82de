"""Build a release as it would be published, install it where nothing else is, and have it answer a photo.

    python deploy/release_check.py FOLDER      (`make release-check`)

FOLDER gets the source archive, the wheel and the notes of the version. Exit code 1, with one sentence on stderr, if
the release should not be published.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READY_S = 180
WANTED = {"app/models/yolox_nano/1/saved_model.pb", "converter/photos/coffee.jpg", "app/web/page/page.js"}
NOT_WANTED = ("tests/", "benchmarks/", "deploy/", "docs/")
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class NotFit(Exception):
    """Why this is no release; one sentence."""


def main(argv: Sequence[str]) -> int:
    """Check once."""
    try:
        check(Path(argv[0]).resolve())
    except (NotFit, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"release_check: {error}\n")
        return 1
    return 0


def check(folder: Path) -> None:
    """Build, compare, install, serve. NotFit if something is not as it must be."""
    version = version_here()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "notes.md").write_text(notes_of(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as work:
        wheel = build(folder, Path(work))
        check_wheel(wheel, version)
        python = install(wheel, Path(work) / "clean")
        answer = ask(python, Path(work))
    say(f"{version}: the wheel answers {', '.join(answer)}")
    for path in sorted(folder.iterdir()):
        say(f"{path.name}  {path.stat().st_size:,} bytes  sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


def version_here() -> str:
    """The version, from its one place."""
    found = VERSION.search((ROOT / "app" / "__init__.py").read_text())
    if found is None:
        raise NotFit("app/__init__.py has no __version__")
    return found[1]


def notes_of(version: str, changelog: str) -> str:
    """What the CHANGELOG says of a version; of one that is being developed what is not released yet."""
    name = "Unreleased" if ".dev" in version else version
    found = re.search(rf"^## \[{re.escape(name)}\].*?\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise NotFit(f"CHANGELOG.md says nothing of [{name}]")
    return found[1].strip() + "\n"


def build(folder: Path, work: Path) -> Path:
    """The wheel, built from the source archive, and the same as one that is built from the checkout."""
    python = environment(work / "build")
    with (ROOT / "pyproject.toml").open("rb") as file:
        pip(python, *tomllib.load(file)["build-system"]["requires"])
    run(python, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    with tarfile.open(sdist) as tar:
        tar.extractall(work / "source", filter="data")
    (source,) = (work / "source").iterdir()
    run(python, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work / "again"), cwd=source)
    (again,) = (work / "again").glob("*.whl")
    if contents(again) != contents(wheel):
        raise NotFit("the wheel that the source archive gives is not the one that the checkout gives")
    return wheel


def contents(wheel: Path) -> dict[str, bytes]:
    """What each file in it hashes to."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).digest() for name in archive.namelist()}


def check_wheel(wheel: Path, version: str) -> None:
    """It is of this version, and has what it serves and nothing that only the checkout needs."""
    names = list(contents(wheel))
    if f"-{version}-py3-" not in wheel.name:
        raise NotFit(f"{wheel.name} is not of version {version}")
    if lacking := WANTED - set(names):
        raise NotFit(f"the wheel lacks {', '.join(sorted(lacking))}")
    if extra := [name for name in names if name.startswith(NOT_WANTED) or re.search(r"_(onnx|frozen|trt)/", name)]:
        raise NotFit(f"the wheel has {extra[0]}")


def install(wheel: Path, folder: Path) -> Path:
    """A Python that has the locked libraries and the wheel, and nothing else."""
    python = environment(folder)
    pip(python, "--require-hashes", "--requirement", str(ROOT / "requirements.lock"))
    pip(python, "--no-deps", str(wheel))
    return python


def environment(folder: Path) -> Path:
    """A new one; its Python."""
    run(Path(sys.executable), "-m", "venv", "--without-pip", str(folder))
    return folder / "bin" / "python"


def pip(python: Path, *arguments: str) -> None:
    """Install by the pip of the machine, since a bare Debian has no ensurepip."""
    outside = os.environ.get("PYTHON", "python3")
    run(Path(outside), "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "-q", *arguments)


def run(python: Path, *arguments: str, cwd: Path = ROOT) -> None:
    """Run a command of Python's; its output is shown, and its failure is an error."""
    subprocess.run([str(python), *arguments], cwd=cwd, check=True)


def ask(python: Path, work: Path) -> list[str]:
    """The labels that the installed server finds in a photo of its own; it ends in order."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {"DETECTOR_BIND": bind, "DETECTOR_STARTUP_CONVERSION": "off", "DETECTOR_CACHE": str(work / "cache")}
    command = [str(python.with_name("detection-server")), "serve"]
    with (
        (work / "log").open("wb") as log,
        subprocess.Popen(command, cwd=work, env={**kept, **settings}, stderr=log) as server,
    ):
        try:
            wait(f"http://{bind}/readyz", server, work / "log")
            photo = next((python.parents[1] / "lib").glob("*/site-packages/converter/photos/coffee.jpg"))
            headers = {"Content-Type": "image/jpeg"}
            request = urllib.request.Request(f"http://{bind}/detect", photo.read_bytes(), headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                labels = [each["label"] for each in json.load(answer)["detections"]]
        finally:
            server.send_signal(signal.SIGTERM)
    if "cup" not in labels or server.returncode != -signal.SIGTERM:
        raise NotFit(f"the installed server answered {labels} and ended with {server.returncode}")
    return labels


def wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server is ready."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.URLError:  # it does not listen, or is not ready
            time.sleep(0.2)
    raise NotFit(f"the installed server does not serve: {log.read_text()[-500:]}")


def say(text: str) -> None:
    """Tell whoever runs it."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
