"""Children: heard at once, held within limits, and gone afterwards with all that they started."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import descendants
from converter.machine import child
from converter.machine.child import Ended, Limits, OverLimit
from tests.support.converter.acting import ITSELF
from tests.support.converter.running import ended, poll


def act(*what: str, seconds: float = 60, mib: int | None = None, **options: Any) -> Ended:
    return child.run(ITSELF, *what, limits=Limits.within(seconds, mib << 20 if mib else None), **options)


def test_what_it_wrote_and_how_it_ended_is_told() -> None:
    heard: list[str] = []
    assert act("say", on_line=heard.append) == Ended(0, "one\ntwo", "\n".join(heard[-50:]))
    assert heard == [*(f"line {number}" for number in range(100)), "\N{REPLACEMENT CHARACTER} no text"]


def test_lines_are_heard_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert (
        act("wait", str(tmp_path / "pipe"), on_line=lambda line: (tmp_path / "pipe").write_text(line)).returncode == 0
    )


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_signal_that_ended_it_is_named(name: str) -> None:
    assert act("end", name).signal_name == name


def test_one_that_the_system_killed_for_want_of_memory_is_told_from_others(tmp_path: Path) -> None:
    assert not act("end", "SIGKILL", root=tmp_path).starved
    counter = tmp_path / "proc/vmstat"
    counter.parent.mkdir()
    counter.write_text("oom_kill 1\n")
    assert act("count_and_end", str(counter), root=tmp_path).starved


@pytest.mark.parametrize("code", [0, 1, 139])
def test_an_exit_code_is_no_signal(code: int) -> None:
    assert Ended(code, "", "").signal_name is None


def test_it_gets_the_variables_it_is_given() -> None:
    assert act("hang", environ={"PATH": "/nowhere", "PYTHONPATH": "/nowhere", "PYTHONSAFEPATH": "1"}).returncode == 1


def test_one_that_takes_too_long_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(OverLimit, match=r"^took longer than it may$"):
        act("hang", seconds=0.3)
    assert time.monotonic() - start < 5


def test_one_that_takes_too_much_memory_is_ended() -> None:
    with pytest.raises(OverLimit, match=r"^took \d+ MiB of memory, 200 are allowed$"):
        act("take", "400", mib=200)


def test_memory_of_what_it_started_counts() -> None:
    with pytest.raises(OverLimit, match=r"^took \d+ MiB of memory, 200 are allowed$"):
        act("start_and_hang", "take", "400", mib=200)


def test_within_the_limits_it_is_left_alone() -> None:
    assert act("say", seconds=60, mib=400).returncode == 0


def test_what_it_started_ends_with_it() -> None:
    handles: list[int] = []
    assert act("start", "hang", on_line=lambda line: handles.append(os.pidfd_open(int(line)))).returncode == 0
    assert ended(*handles)


def test_what_it_started_ends_with_it_when_it_is_over_a_limit() -> None:
    handles: list[int] = []
    with pytest.raises(OverLimit):
        act("start_and_hang", "take", "400", mib=200, on_line=lambda line: handles.append(os.pidfd_open(int(line))))
    assert ended(*handles)


@pytest.mark.parametrize("how", ["it ends", "it is ended"])
def test_no_pipe_is_left_open(how: str) -> None:
    before = os.listdir("/proc/self/fd")
    if how == "it ends":
        act("say")
    else:
        with pytest.raises(OverLimit):
            act("hang", seconds=0.2)
    assert os.listdir("/proc/self/fd") == before


def test_it_ends_with_its_parent_however_that_ends() -> None:
    command = [sys.executable, "-m", ITSELF, "be_parent"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        (pid,) = poll(lambda: descendants(process.pid)[:1])
        handle = os.pidfd_open(pid)
        process.kill()
        assert ended(handle)
