"""The Dockerfile: linted, true to the repository, and its steps carried out as far as that goes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.base_prefix) / "bin" / "python3"  # Has pip, as the image's Python has.


@dataclass(frozen=True)
class Stage:
    name: str
    parent: str
    steps: tuple[tuple[str, str], ...]  # (instruction, the rest of its line)

    def of(self, instruction: str) -> list[str]:
        return [rest for word, rest in self.steps if word == instruction]


@dataclass(frozen=True)
class Copy:
    sources: tuple[str, ...]
    target: str
    stage: str | None  # None: out of the repository


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return {stage.name: stage for stage in read_stages((ROOT / "Dockerfile").read_text())}


def read_stages(text: str) -> Iterator[Stage]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    steps: list[tuple[str, str]] = []
    for line in reversed(lines.replace("\\\n", " ").splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            yield Stage(name, parent, tuple(reversed(steps)))
            steps = []
        elif line.strip():
            steps.append((word, " ".join(rest.split())))


def copies(stage: Stage) -> Iterator[Copy]:
    for rest in stage.of("COPY"):
        options = [word for word in rest.split() if word.startswith("--")]
        *sources, target = [word for word in rest.split() if not word.startswith("--")]
        origin = [word.removeprefix("--from=") for word in options if word.startswith("--from=")]
        yield Copy(tuple(sources), target, origin[0] if origin else None)


def line_of(stages: dict[str, Stage], name: str) -> list[Stage]:
    """The stage and those it starts from, the oldest first."""
    stage = stages[name]
    return [*line_of(stages, stage.parent), stage] if stage.parent in stages else [stage]


def environment(stages: dict[str, Stage], name: str) -> dict[str, str]:
    found: dict[str, str] = {"PATH": "/usr/bin"}
    for stage in line_of(stages, name):
        for rest in [*stage.of("ARG"), *stage.of("ENV")]:
            for key, value in (word.split("=", 1) for word in rest.split()):
                found[key] = re.sub(r"\$(\w+)", lambda match: found[match[1]], value)
    return found


def last(stages: dict[str, Stage], name: str, instruction: str) -> str:
    return [rest for stage in line_of(stages, name) for rest in stage.of(instruction)][-1]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_copied_exists_and_reaches_the_builder(stages: dict[str, Stage]) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    sources = {
        source for stage in stages.values() for copy in copies(stage) if copy.stage is None for source in copy.sources
    }
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {source.partition("/")[0] for source in sources} == allowed


def test_stages_are_copied_from_stages(stages: dict[str, Stage]) -> None:
    origins = {copy.stage for stage in stages.values() for copy in copies(stage)}
    assert origins - {None} <= set(stages)


@pytest.mark.parametrize(
    ("target", "lock", "has_cuda"),
    [("cpu", "requirements.lock", False), ("gpu", "requirements-gpu.lock", True)],
)
def test_each_image_has_its_own_lock(stages: dict[str, Stage], target: str, lock: str, has_cuda: bool) -> None:
    built_from = {stage.name for stage in line_of(stages, target)}
    for stage in line_of(stages, target):
        for copy in copies(stage):
            built_from |= {part.name for part in line_of(stages, copy.stage or stage.name)}
    sources = {s for name in built_from for copy in copies(stages[name]) for s in copy.sources}
    assert {source for source in sources if source.endswith(".lock") and "/" not in source} == {lock}
    assert bool(re.search(r"^nvidia-", (ROOT / lock).read_text(), re.MULTILINE)) is has_cuda
    assert ("deploy/tensorrt.lock" in sources) is has_cuda


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_variables_are_settings(stages: dict[str, Stage], target: str) -> None:
    from app.settings import PREFIX, Settings

    ours = {name: v for name, v in environment(stages, target).items() if name.startswith(PREFIX)}
    assert ours == {"DETECTOR_BIND": "0.0.0.0:8000", "DETECTOR_CACHE": "/cache"}
    assert {name.removeprefix(PREFIX).lower() for name in ours} <= set(Settings.model_fields)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_server_may_write_only_to_the_cache(stages: dict[str, Stage], target: str) -> None:
    assert last(stages, target, "USER") == "10001:10001"
    assert json.loads(last(stages, target, "VOLUME")) == ["/cache"]
    owned = [rest for stage in stages.values() for rest in stage.of("COPY") if "--chown" in rest]
    assert owned == []


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_server_is_started_and_stopped_without_a_shell(stages: dict[str, Stage], target: str) -> None:
    command = json.loads(last(stages, target, "ENTRYPOINT")) + json.loads(last(stages, target, "CMD"))
    assert command == ["python", "-m", "app", "serve"]
    assert last(stages, target, "STOPSIGNAL") == "SIGTERM"
    assert json.loads(last(stages, target, "HEALTHCHECK").partition("CMD ")[2]) == [
        *("python", "deploy/probe.py", "/healthz")
    ]
    port = environment(stages, target)["DETECTOR_BIND"].rpartition(":")[2]
    assert last(stages, target, "EXPOSE") == port


def test_library_path_has_a_folder_for_each_cuda_package(stages: dict[str, Stage]) -> None:
    lock = (ROOT / "requirements-gpu.lock").read_text()
    packages = re.findall(r"^nvidia-([a-z-]+)-cu11==", lock, re.MULTILINE)
    site = "/opt/venv/lib/python3.11/site-packages/nvidia"
    # nvcc brings a program, not a library.
    folders = [f"{site}/{name.replace('-', '_')}/lib" for name in packages if name != "cuda-nvcc"]
    path = environment(stages, "gpu")["LD_LIBRARY_PATH"]
    assert path == ":".join(["/opt/tensorrt", *sorted(folders)])


def test_gpu_image_is_checked_when_all_is_in_place(stages: dict[str, Stage]) -> None:
    assert stages["gpu"].steps[-1] == ("RUN", "python deploy/check_tensorrt.py")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path / "opt", ignore_errors=True)  # TensorFlow and more: 1.4 GB


@pytest.mark.long
def test_steps_of_the_cpu_image_end_in_a_server(stages: dict[str, Stage], root: Path) -> None:
    for name in ("libraries-cpu", "project"):
        carry_out(line_of(stages, name), root)
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    python = str(root / "opt/venv/bin/python")
    environ = {**environment(stages, "cpu"), "DETECTOR_BIND": bind, "PATH": os.environ["PATH"]}
    environ |= {"DETECTOR_CACHE": str(root / "cache"), "DETECTOR_STARTUP_CONVERSION": "off"}
    srv = root / "srv"
    with subprocess.Popen([python, "-m", "app", "serve"], cwd=srv, env=environ) as server:
        try:
            wait_until_ready(server, [python, "deploy/probe.py", "/readyz"], srv, environ)
        finally:
            stop(server)
    assert server.returncode in (0, -signal.SIGTERM)


def carry_out(line: list[Stage], root: Path) -> None:
    """Do what COPY and RUN say, with `root` in place of /."""
    shim = root / "bin" / "python"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{PYTHON}" "$@"\n')
    shim.chmod(0o755)
    folder = root
    for word, rest in (step for stage in line for step in stage.steps):
        if word == "WORKDIR":
            folder = root / rest.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                copy_like_docker(ROOT / source, folder / target)
        elif word == "RUN":
            script = rest.replace("/opt/", f"{root}/opt/")
            environ = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"}
            subprocess.run(["sh", "-euc", script], cwd=folder, env=environ, check=True)


def copy_like_docker(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "1_*"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def wait_until_ready(server: subprocess.Popen[bytes], probe: list[str], folder: Path, environ: dict[str, str]) -> None:
    for _ in range(180):
        if subprocess.run(probe, cwd=folder, env=environ, capture_output=True).returncode == 0:
            return
        try:
            server.wait(1)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the server ended with {server.returncode}")
    pytest.fail("the server was not ready after 180 tries")


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        raise
