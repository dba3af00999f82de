"""What memory this machine, or container, has to spare; who is killed first where there is none; who was."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from converter.machine import cores

ROOT = Path("/")
_FIRST_TO_GO = 1000  # the most that /proc/PID/oom_score_adj can be
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_LARGE_BYTES = 4 << 20
_KEPT_BYTES = 16 << 20  # more than a photo and what is made of it
_LEAST_MARGIN, _MOST_MARGIN = 256 << 20, 2 << 30


@dataclass(frozen=True, slots=True)
class _Tree:
    """A tree of control groups: where it stands, and its files."""

    base: str
    limit: str
    use: str  # in bytes, like the limit
    idle: str  # the line of memory.stat with the file pages that nobody has used lately
    events: str  # the file that counts processes killed for want of memory


# By the controllers in a line of /proc/self/cgroup (none: version 2).
_TREES = {
    "": _Tree("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file", "memory.events"),
    "memory": _Tree(
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
        "memory.oom_control",
    ),
}


def held_bytes(pid: int, *, root: Path = ROOT) -> int:
    """The memory that process `pid` holds (its resident set); OSError if there is no such process."""
    return _number(root / "proc" / str(pid) / "status", "VmRSS:") << 10


def available_bytes(*, root: Path = ROOT) -> int:
    """What the processes of this machine, or container, can still take before one is killed for want of memory.

    File pages that nobody has used lately count as free: they are given up without loss. Where nobody tells what is
    free, as on macOS, it is all that there is.
    """
    try:
        machine = _number(root / "proc/meminfo", "MemAvailable:") << 10
    except OSError:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, min([machine, *_left_by_limits(root)]))


def spare_bytes(*, root: Path = ROOT) -> int:
    """What a conversion may hold where nobody says: what is available, less a margin for whoever else is here.

    The margin is a tenth, at least 256 MiB and at most 2 GiB: a server beside it goes on taking pictures and starts
    workers, what is available is asked once, and a child may take 0.1 s of allocations more than its limit.
    """
    available = available_bytes(root=root)
    return max(0, available - min(max(available // 10, _LEAST_MARGIN), _MOST_MARGIN))


def kills(*, root: Path = ROOT) -> int:
    """How many processes have been killed here for want of memory: of this control group, else of the machine.

    It only grows; where nothing counts them it is 0.
    """
    counted = [(folder / tree.events, "oom_kill") for tree, folder in _folders(root)]
    for path, name in [*counted, (root / "proc/vmstat", "oom_kill")]:
        with contextlib.suppress(OSError):
            return _number(path, name)
    return 0


def starved(returncode: int, kills_before: int, *, root: Path = ROOT) -> bool:
    """Whether a process that ended so was killed for want of memory, as far as `kills` before and after it tell."""
    return returncode == -signal.SIGKILL and kills(root=root) > kills_before


def go_first() -> None:
    """Have the kernel's killer take this process, and those it starts from now on, before all others."""
    with contextlib.suppress(OSError):  # a /proc that can't be written
        (ROOT / "proc/self/oom_score_adj").write_text(f"{_FIRST_TO_GO}\n")


def share_heaps() -> None:
    """Have the threads of this process share a heap for two cores: call it before they start.

    glibc gives each thread a heap of its own, and in each one pieces that are in use keep pages of pictures that have
    long been freed: a worker grew by a quarter, for minutes, and does not grow at all with shared ones. Without glibc
    it does nothing.
    """
    _tell_malloc(_M_ARENA_MAX, max(2, cores.usable() // 2))


def return_large_pictures() -> None:
    """Have what is larger than most photos' pixels go back to the system as soon as it is freed.

    Otherwise pieces of all sizes share a heap, and between them stays what the largest took: an ONNX worker grew from
    131 to 170 MB within 10,000 odd pictures, and stays between 126 and 136 so. Smaller ones are kept for the next: once
    it has been told the one, glibc returns more than 128 KiB at the end of a heap, and each photo then cost 900 page
    faults, 1.8 of 25 ms. Without glibc it does nothing.
    """
    _tell_malloc(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    _tell_malloc(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_early() -> None:
    """Let this process return memory to the system where glibc would keep it: call it before threads start.

    Each thread has a heap of its own, and once a picture has been freed, pictures of its size come from the heap, which
    shrinks only at its end (mallopt(3), M_ARENA_MAX and M_MMAP_THRESHOLD). Without glibc it does nothing.
    """
    _tell_malloc(_M_ARENA_MAX, 2)
    _tell_malloc(_M_MMAP_THRESHOLD, 256 << 10)


def give_back() -> None:
    """Return what has been freed to the system, also from the middle of the heap; milliseconds for hundreds of MB.

    Without glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def group_bytes(group: int) -> int:
    """Bytes that the processes of a process group hold now; 0 where there is no /proc to tell."""
    total = 0
    for entry in (ROOT / "proc").glob("*"):
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                total += int((entry / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue  # it has just ended
    return total * os.sysconf("SC_PAGE_SIZE")


def in_words(size_bytes: int) -> str:
    """512 MiB, or 79.6 GiB for 10 GiB and more."""
    if size_bytes >= 10 << 30:
        return f"{size_bytes / 2**30:.1f} GiB"
    return f"{size_bytes / 2**20:.0f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes / 2**10:.0f} KiB"


def _tell_malloc(option: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(option, value)


def _left_by_limits(root: Path) -> Iterator[int]:
    """What each limit on this process leaves: its control group has one, and every group around that."""
    for tree, folder in _folders(root):
        try:
            most, used = (int((folder / name).read_text()) for name in (tree.limit, tree.use))
            yield most - used + _number(folder / "memory.stat", tree.idle)
        except (OSError, ValueError):
            pass  # no such group here, or its limit is "max"


def _folders(root: Path) -> Iterator[tuple[_Tree, Path]]:
    """The folder of each control group of this process that may limit memory, and of every group around it."""
    for tree, group in _groups(root):
        base = root / tree.base
        folder = base / group.lstrip("/")  # where a container sees only its own group, this may not exist
        while folder.is_relative_to(base):
            yield tree, folder
            folder = folder.parent


def _groups(root: Path) -> Iterator[tuple[_Tree, str]]:
    """The tree and the path of each control group of this process that may limit memory."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # a kernel without control groups
    for line in lines:
        _, controllers, group = line.split(":", 2)
        yield from ((_TREES[name], group) for name in controllers.split(",") if name in _TREES)


def _number(path: Path, name: str) -> int:
    """The number after `name` in a file with one name a line; 0 where the name is missing."""
    found = (line.split()[1] for line in path.read_text().splitlines() if line.split()[:1] == [name])
    return int(next(found, 0))
