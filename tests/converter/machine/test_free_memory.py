"""What memory there is, what may be taken of it, who goes first, and who went: asked of files in place of /proc."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.machine import memory
from tests.support.proc import GIB, MIB, WORKER, limit_1, limit_2, machine, write

Limit = Callable[..., None]
GROUP = "/system.slice/detector.service"
NO_LIMIT_IN_1 = "9223372036854771712"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine(tmp_path)


# What is available


def test_without_limits_it_is_what_the_machine_has(root: Path) -> None:
    assert memory.available_bytes(root=root) == 8 * GIB


OLD_LINES = "9:name=systemd:/\n8:pids:/docker/abc\n4:cpu,memory:/docker/abc\n0::/"


@pytest.mark.parametrize(
    ("own", "limit", "groups", "left"),
    [
        # Pages of files that nobody uses are free.
        pytest.param("0::/", limit_2, [("/", 2 * GIB, GIB, 100 * MIB)], GIB + 100 * MIB, id="a container"),
        pytest.param(
            f"0::{GROUP}",
            limit_2,
            [(GROUP, "max", GIB, 0), ("/system.slice", 3 * GIB, 2 * GIB, 0)],
            GIB,
            id="a group around this one",
        ),
        pytest.param("0::/", limit_2, [("/", 64 * GIB, GIB, 0)], 8 * GIB, id="the machine has less than is left"),
        pytest.param("0::/", limit_2, [("/", GIB, GIB + MIB, 0)], 0, id="more than allowed"),
        pytest.param(
            OLD_LINES,
            limit_1,
            [("/docker/abc", 2 * GIB, GIB, 10 * MIB), ("/", NO_LIMIT_IN_1, 20 * GIB, 0)],
            GIB + 10 * MIB,
            id="an old kernel's tree for memory alone",
        ),
        pytest.param(
            OLD_LINES, limit_1, [("/", 2 * GIB, GIB, 0)], GIB, id="a container whose own group is the whole old tree"
        ),
        pytest.param("0::/../../other", limit_2, [("/", 2 * GIB, GIB, 0)], GIB, id="a group outside of what is seen"),
    ],
)
def test_limits_of_control_groups_count(
    own: str, limit: Limit, groups: list[tuple[str, object, int, int]], left: int, root: Path
) -> None:
    write(root / "proc/self/cgroup", own)
    for group, most, used, idle in groups:
        limit(root, group, most=most, used=used, idle=idle)
    assert memory.available_bytes(root=root) == left


def test_this_machine_has_some_available() -> None:
    assert 0 < memory.available_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# What a worker holds


def test_a_process_holds_its_resident_set(root: Path) -> None:
    assert memory.held_bytes(WORKER, root=root) == 512 * MIB


def test_this_process_holds_some_megabytes() -> None:
    assert 5 * MIB < memory.held_bytes(os.getpid()) < 5 * GIB


def test_a_process_that_only_waits_to_be_buried_holds_nothing(root: Path) -> None:
    write(root / "proc/38/status", "Name:\tpython\nState:\tZ (zombie)")
    assert memory.held_bytes(38, root=root) == 0


def test_a_process_that_is_gone_has_no_answer(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        memory.held_bytes(39, root=root)


@pytest.mark.parametrize(
    ("size", "words"),
    [(30_000, "29 KiB"), (512 * MIB, "512 MiB"), (10 * GIB - 1, "10240 MiB"), (80 * GIB, "80.0 GiB")],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert memory.in_words(size) == words


# What may be taken


@pytest.mark.parametrize(
    ("free", "spared"), [(100 * MIB, 0), (GIB, 768 * MIB), (8 * GIB, 8 * GIB - 8 * GIB // 10), (50 * GIB, 48 * GIB)]
)
def test_a_conversion_leaves_a_margin(free: int, spared: int, root: Path) -> None:
    write(root / "proc/meminfo", f"MemAvailable: {free >> 10} kB")
    assert memory.spare_bytes(root=root) == spared


# Who goes first, and who went


def test_the_kernel_takes_it_and_its_children_first() -> None:
    script = (
        "from converter.machine import memory; memory.go_first(); import os; os.system('cat /proc/self/oom_score_adj')"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"1000\n"


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ("0::/", "sys/fs/cgroup/memory.events"),
        (f"0::{GROUP}", f"sys/fs/cgroup{GROUP}/memory.events"),
        ("4:cpu,memory:/docker/abc", "sys/fs/cgroup/memory/docker/abc/memory.oom_control"),
        ("4:cpu,memory:/docker/abc", "sys/fs/cgroup/memory/memory.oom_control"),
        ("0::/", "proc/vmstat"),
    ],
)
def test_one_that_the_system_killed_for_want_of_memory_is_known(own: str, path: str, root: Path) -> None:
    write(root / "proc/self/cgroup", own)
    assert memory.kills(root=root) == 0
    write(root / path, "oom_kill_disable 0\noom 4\noom_kill 2")
    before = memory.kills(root=root)
    assert not memory.starved(-signal.SIGKILL, before, root=root)
    write(root / path, "oom_kill_disable 0\noom 4\noom_kill 3")
    assert memory.starved(-signal.SIGKILL, before, root=root)
    assert not memory.starved(-signal.SIGSEGV, before, root=root)


def test_kills_elsewhere_on_the_machine_are_none_of_this_container(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/")
    write(root / "sys/fs/cgroup/memory.events", "oom_kill 0")
    write(root / "proc/vmstat", "oom_kill 9")
    assert memory.kills(root=root) == 0
