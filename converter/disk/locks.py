"""Locks on files: they hold between processes and, over NFS, between machines, as those on folders do not.

A lock belongs to the open file and not to the process (fcntl(2), "Open file description locks"): it goes when the
handle that took it is closed, or its process ends, and not when another handle of the same file is closed.
"""

import errno
import fcntl
import os
import struct
import tempfile
from enum import Enum
from pathlib import Path


class Took(Enum):
    """What came of taking a lock."""

    HELD = "held"
    BUSY = "another holds it"
    UNABLE = "the file system can't lock files"


def take(handle: int, *, shared: bool = False) -> Took:
    """Lock the file of an open handle, without waiting; `shared`: together with others that share it.

    To share it a handle that can only read is enough; a lock that is not shared needs one that can write.
    """
    try:
        _lock(handle, fcntl.F_RDLCK if shared else fcntl.F_WRLCK)
    except OSError as error:
        return Took.BUSY if error.errno in (errno.EAGAIN, errno.EACCES) else Took.UNABLE
    return Took.HELD


def problem(folder: Path) -> str | None:
    """Why servers that share `folder` can't keep out of each other's way; None if they can, or if nothing is written.

    A folder that does not exist yet is looked at where it will be made.
    """
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.exists(each))
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            took = take(file.fileno())
    except OSError:
        return None
    if took is not Took.UNABLE:
        return None
    return f"the file system of {folder} can't lock files: servers that share it may make the same copy at once"


def _lock(handle: int, kind: int) -> None:
    whole_file = struct.pack("hhqqi", kind, os.SEEK_SET, 0, 0, 0)  # struct flock
    set_lock = getattr(fcntl, "F_OFD_SETLK", None)  # Linux'
    try:
        if set_lock is not None:
            fcntl.fcntl(handle, set_lock, whole_file)
            return
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    # A kernel without them: the older locks, which belong to the process.
    fcntl.lockf(handle, (fcntl.LOCK_SH if kind == fcntl.F_RDLCK else fcntl.LOCK_EX) | fcntl.LOCK_NB)
