"""A conversion that is ended on the way leaves no process, and nothing that is taken for a copy."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from converter import publish
from tests.converter.made import OddModels
from tests.serving import children, clean_environ

pytestmark = pytest.mark.tensorflow

Process = subprocess.Popen[str]


@contextmanager
def converting(model: Path, folder: Path) -> Iterator[Process]:
    """The command at work on a frozen copy of `model` at `folder`, as the server starts it."""
    command = [sys.executable, "-m", "converter", model, "--target", "frozen", "--output", folder, "--ends-with-stdin"]
    with subprocess.Popen(
        list(map(str, command)),
        env=clean_environ({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs this in the background has it ignore Ctrl-C, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: Process, step: str) -> None:
    """Read its standard error until it begins `step`."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{") and json.loads(line) == {"step": step, "state": "started"}:
            return
    raise AssertionError(f"it ended before {step}")


def only_child(process: Process) -> int:
    """The process that it started, as soon as there is one."""
    while process.poll() is None:
        if pids := children(process.pid):
            return pids[0]
    raise AssertionError("it ended before it started a process")


def ends(pidfd: int) -> bool:
    """Whether that process ends within 20 s."""
    readable, _, _ = select.select([pidfd], [], [], 20)
    return bool(readable)


def test_killed_it_leaves_no_copy_and_no_process_and_what_it_left_is_swept_away(
    odd_models: OddModels, tmp_path: Path
) -> None:
    with converting(odd_models.root / "detector", tmp_path / "1_frozen") as process:
        wait_for(process, "verify")
        handle = os.pidfd_open(only_child(process))
        process.kill()
        assert process.wait(timeout=20) == -signal.SIGKILL
        assert ends(handle)
        os.close(handle)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("1_frozen.partial-")
    with publish.written_beside(tmp_path / "1_frozen"):
        assert not left.exists()


def test_interrupted_it_says_so_and_leaves_nothing(odd_models: OddModels, tmp_path: Path) -> None:
    with converting(odd_models.root / "detector", tmp_path / "1_frozen") as process:
        wait_for(process, "verify")
        child = os.pidfd_open(only_child(process))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert ends(child)
        os.close(child)
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "convert: interrupted, no copy was made"
    assert list(tmp_path.iterdir()) == []


def test_it_ends_when_the_server_that_started_it_is_gone(odd_models: OddModels, tmp_path: Path) -> None:
    with converting(odd_models.root / "detector", tmp_path / "1_frozen") as process:
        wait_for(process, "load")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 1
    assert not (tmp_path / "1_frozen").exists()
    with publish.written_beside(tmp_path / "1_frozen"):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["1_frozen"]
