"""Memory: is there enough for a second worker, by what the machine, the container and the GPU say; giving it back.

A process that has freed memory may still hold it: glibc keeps it for what is asked for next.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

from converter.machine import nvidia

ROOT = Path("/")
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
# By the controllers in a line of /proc/self/cgroup (none: version 2): where that tree stands, the files with its
# limit and its use in bytes, and the line of memory.stat with the file pages that nobody has used lately.
_TREES = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def lacking(pid: int, *, root: Path = ROOT) -> str | None:
    """Why a second worker like process `pid` has no room here, as a sentence; None when it has or nobody knows.

    Takes as long as nvidia-smi: up to some seconds on a machine with a GPU.
    """
    try:
        held, free = held_bytes(pid, root=root), available_bytes(root=root)
    except OSError:
        return None  # it has ended: there will be one worker, not two
    if free < held:
        return _sentence("memory", held, free)
    gpu = gpu_free_and_used(pid)
    return _sentence("GPU memory", held=gpu[1], free=gpu[0]) if gpu and gpu[0] < gpu[1] else None


def give_back_early() -> None:
    """Let this process return memory to the system where glibc would keep it: call it before threads start.

    Each thread has a heap of its own, and once a picture has been freed, pictures of its size come from the heap, which
    shrinks only at its end (mallopt(3), M_ARENA_MAX and M_MMAP_THRESHOLD). Without glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_ARENA_MAX, 2)
        set_option(_M_MMAP_THRESHOLD, 256 << 10)


def give_back() -> None:
    """Return what has been freed to the system, also from the middle of the heap; milliseconds for hundreds of MB.

    Without glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def held_bytes(pid: int, *, root: Path = ROOT) -> int:
    """The memory that process `pid` holds (its resident set); OSError if there is no such process."""
    return _number(root / "proc" / str(pid) / "status", "VmRSS:") << 10


def available_bytes(*, root: Path = ROOT) -> int:
    """What the processes of this machine, or container, can still take before one is killed for want of memory.

    File pages that nobody has used lately count as free: they are given up without loss.
    """
    machine = _number(root / "proc/meminfo", "MemAvailable:") << 10
    return max(0, min([machine, *_left_by_limits(root)]))


def gpu_free_and_used(pid: int) -> tuple[int, int] | None:
    """Bytes that are free on the GPU of process `pid` and that it holds there; None if that can't be known.

    Of several GPUs the one with the least to spare. In a container nvidia-smi may call processes by the ids that
    they have outside, or name none: `pid` is not among them then, and nothing is known.
    """
    apps = nvidia.smi("compute-apps=pid,gpu_uuid,used_memory")
    held = {gpu: int(mib) << 20 for owner, gpu, mib in apps if owner == str(pid) and mib.isdigit()}
    if not held:
        return None
    free = {gpu: int(mib) << 20 for gpu, mib in nvidia.smi("gpu=uuid,memory.free") if mib.isdigit()}
    pairs = [(free[gpu], held[gpu]) for gpu in held if gpu in free]
    return min(pairs, key=lambda pair: pair[0] - pair[1], default=None)


def in_words(size_bytes: int) -> str:
    """512 MiB, or 79.6 GiB for 10 GiB and more."""
    if size_bytes >= 10 << 30:
        return f"{size_bytes / 2**30:.1f} GiB"
    return f"{size_bytes / 2**20:.0f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes / 2**10:.0f} KiB"


def _sentence(kind: str, held: int, free: int) -> str:
    return (
        f"there is not enough {kind} for two: the worker that serves now holds {in_words(held)} "
        f"and {in_words(free)} are free"
    )


def _left_by_limits(root: Path) -> Iterator[int]:
    """What each limit on this process leaves: its control group has one, and every group around that."""
    for tree, group in _groups(root):
        base, limit, use, idle = _TREES[tree]
        folder = root / base / group.lstrip("/")  # where a container sees only its own group, this may not exist
        while folder.is_relative_to(root / base):
            try:
                most, used = (int((folder / name).read_text()) for name in (limit, use))
                yield most - used + _number(folder / "memory.stat", idle)
            except (OSError, ValueError):
                pass  # no such group here, or its limit is "max"
            folder = folder.parent


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """The key of `_TREES` and the path of each control group of this process that may limit memory."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # a kernel without control groups
    for line in lines:
        _, controllers, group = line.split(":", 2)
        yield from ((tree, group) for tree in controllers.split(",") if tree in _TREES)


def _number(path: Path, name: str) -> int:
    """The number after `name` in a file with one name a line; 0 where the name is missing."""
    found = (line.split()[1] for line in path.read_text().splitlines() if line.split()[:1] == [name])
    return int(next(found, 0))
