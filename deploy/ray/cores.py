"""Which cores a replica runs on: Ray counts cores, but keeps no process to them, and the server uses all that it may.

Replicas of one machine agree by locks on files in its temporary folder. A lock goes with the process that holds it.
"""

import os
import tempfile
from pathlib import Path

from converter.disk import locks
from converter.disk.locks import Took
from converter.disk.opening import make_folder, open_file

Cores = tuple[int, ...]


def take(count: int, *, folder: Path | None = None) -> Cores:
    """`count` cores that no other replica on this machine has, until this process ends; none if there are not so many.

    None are taken either for a count of 0, where the system can't keep a process to cores, and where the file system
    can't lock files.
    """
    if count < 1 or not hasattr(os, "sched_getaffinity"):
        return ()
    folder = folder or Path(tempfile.gettempdir()) / f"detector-cores-{os.getuid()}"
    make_folder(folder)
    held: dict[int, int] = {}
    for core in sorted(os.sched_getaffinity(0)):
        if len(held) == count:
            break
        handle = open_file(folder / f"{core}.lock", os.O_RDWR | os.O_CREAT)
        if locks.take(handle) is Took.HELD:
            held[core] = handle
        else:
            os.close(handle)
    if len(held) == count:
        return tuple(held)
    for handle in held.values():
        os.close(handle)
    return ()


def keep_to(cores: Cores) -> None:
    """Run this thread, and what it starts from now on, on these cores; none: wherever it may."""
    if cores:
        os.sched_setaffinity(0, cores)
