"""Is there memory for two workers? Asked of files as a machine, a container and an nvidia-smi have them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app import memory
from tests.support.smi import put_smi

Limit = Callable[..., None]
GIB, MIB = 1 << 30, 1 << 20
WORKER, GROUP = 37, "/system.slice/detector.service"
NO_LIMIT_IN_1 = "9223372036854771712"

MEMINFO = """\
MemTotal:       32790016 kB
MemFree:         1048576 kB
MemAvailable:    8388608 kB
Buffers:          204800 kB
Cached:          9437184 kB
"""
STATUS = """\
Name:\tpython
State:\tS (sleeping)
Pid:\t37
VmPeak:\t 9437184 kB
VmHWM:\t  700000 kB
VmRSS:\t  524288 kB
RssAnon:\t  373124 kB
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine without limits: 8 GiB are available, the worker holds 512 MiB."""
    write(tmp_path / "proc/meminfo", MEMINFO)
    write(tmp_path / f"proc/{WORKER}/status", STATUS)
    return tmp_path


@pytest.fixture(autouse=True)
def smi_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for an nvidia-smi, and no other."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write(path: Path, text: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def limit_2(root: Path, group: str, *, most: object, used: int, idle: int = 0) -> None:
    """A control group of version 2."""
    folder = root / "sys/fs/cgroup" / group.lstrip("/")
    write(folder / "memory.max", most)
    write(folder / "memory.current", used)
    write(folder / "memory.stat", f"anon {used - idle}\nfile {idle}\nactive_file 0\ninactive_file {idle}")


def limit_1(root: Path, group: str, *, most: object, used: int, idle: int = 0) -> None:
    """A control group of version 1; its memory.stat has the group alone and, as total_…, all groups in it."""
    folder = root / "sys/fs/cgroup/memory" / group.lstrip("/")
    write(folder / "memory.limit_in_bytes", most)
    write(folder / "memory.usage_in_bytes", used)
    write(folder / "memory.stat", f"inactive_file 0\ntotal_rss {used - idle}\ntotal_inactive_file {idle}")


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


# What a GPU has

APPS, GPUS = "compute-apps=pid,gpu_uuid,used_memory", "gpu=uuid,memory.free"


@pytest.mark.parametrize(
    ("apps", "gpus", "answer"),
    [
        pytest.param("37, GPU-1, 3000", "GPU-1, 5000", (5000 * MIB, 3000 * MIB), id="room"),
        pytest.param("37, GPU-1, 3000", "GPU-1, 2000", (2000 * MIB, 3000 * MIB), id="no room"),
        pytest.param(
            "12, GPU-2, 9000\n37, GPU-2, 500\n37, GPU-1, 3000",
            "GPU-1, 2000\nGPU-2, 70000",
            (2000 * MIB, 3000 * MIB),
            id="the one of two GPUs with less to spare",
        ),
        pytest.param("4711, GPU-1, 3000", "GPU-1, 2000", None, id="named by an id outside the container"),
        pytest.param("", "GPU-1, 2000", None, id="no process is named"),
        pytest.param("37, GPU-1, [N/A]", "GPU-1, 2000", None, id="its memory is not told"),
        pytest.param("37, GPU-1, 3000", "GPU-1, [N/A]", None, id="what is free is not told"),
    ],
)
def test_what_is_free_and_what_the_process_holds(
    apps: str, gpus: str, answer: tuple[int, int] | None, smi_folder: Path
) -> None:
    put_smi(smi_folder, {APPS: apps, GPUS: gpus})
    assert memory.gpu_free_and_used(WORKER) == answer


def test_without_nvidia_smi_nothing_is_known_of_a_gpu() -> None:
    assert memory.gpu_free_and_used(WORKER) is None


# The verdict


def test_there_is_room_for_two(root: Path, smi_folder: Path) -> None:
    put_smi(smi_folder, {APPS: "37, GPU-1, 3000", GPUS: "GPU-1, 3000"})
    assert memory.lacking(WORKER, root=root) is None


def test_too_little_memory_is_a_sentence_with_both_numbers(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/")
    limit_2(root, "/", most=GIB, used=724 * MIB)
    assert memory.lacking(WORKER, root=root) == (
        "there is not enough memory for two: the worker that serves now holds 512 MiB and 300 MiB are free"
    )


def test_too_little_memory_of_the_gpu_is_a_sentence_too(root: Path, smi_folder: Path) -> None:
    put_smi(smi_folder, {APPS: "37, GPU-1, 61440", GPUS: "GPU-1, 20000"})
    assert memory.lacking(WORKER, root=root) == (
        "there is not enough GPU memory for two: the worker that serves now holds 60.0 GiB and 19.5 GiB are free"
    )


def test_a_worker_that_is_gone_needs_no_room_beside_it(root: Path) -> None:
    assert memory.lacking(39, root=root) is None


@pytest.mark.parametrize(
    ("size", "words"),
    [(30_000, "29 KiB"), (512 * MIB, "512 MiB"), (10 * GIB - 1, "10240 MiB"), (80 * GIB, "80.0 GiB")],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert memory.in_words(size) == words
