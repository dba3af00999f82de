"""Which cores this process may use, and how many those are."""

import contextlib
import os
from collections.abc import Collection


def usable() -> int:
    """How many it may run on (`taskset`, cpusets); where nobody tells, as on macOS, all that there are."""
    return len(which())


def which() -> tuple[int, ...]:
    """Those that it may run on, by their numbers."""
    told = getattr(os, "sched_getaffinity", None)
    return tuple(sorted(told(0))) if told else tuple(range(os.cpu_count() or 1))


def keep_to(numbers: Collection[int]) -> None:
    """Run this thread, and those that it starts, on these cores alone; nothing happens where a system can't do that."""
    keep = getattr(os, "sched_setaffinity", None)
    if keep:
        with contextlib.suppress(OSError):  # they were taken from this container meanwhile
            keep(0, numbers)
