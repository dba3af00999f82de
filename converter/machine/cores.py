"""How many cores this process may use."""

import os


def usable() -> int:
    """Those it may run on (`taskset`, cpusets); where nobody tells, as on macOS, all that there are."""
    told = getattr(os, "sched_getaffinity", None)
    return len(told(0)) if told else os.cpu_count() or 1
