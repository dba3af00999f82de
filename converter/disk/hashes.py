"""Hashes of files that are asked for again and again: a file is read anew when it may have changed, and not before."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from converter.disk import kept
from converter.disk.kept import Known, Seen

FileHash = Callable[[Path], str]

# What was written so shortly before it was read may change again without another time: file systems count in ticks of
# up to 2 s, and the clock of a file server may be a little behind ours.
_UNSURE_NS = 3_000_000_000


def sha256(path: Path) -> str:
    """The hash of a file's contents; OSError if it can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashes:
    """Remembers the hash of each file with its size, its times and its inode; a change of its contents changes one.

    Of `sha256`'s signature; it may be called from several threads. `place` is a file in which they outlive the process
    once `keep` is called; `clock` tells the time of day in nanoseconds.
    """

    def __init__(self, place: Path | None = None, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._place, self._clock = place, clock
        self._known = {} if place is None else kept.read(place)
        self._devices: dict[str, int] = {}  # of files that were seen by this process: numbers that no other knows
        self._fresh = False  # whether something is known that is not on disk
        self._keeping = threading.Lock()

    def __call__(self, path: Path) -> str:
        """The hash of a file's contents; OSError if it can't be read."""
        name = os.path.realpath(path)
        with open(name, "rb") as file:  # over NFS, what is told of an open file is what the server knows now
            seen, begun = _seen(file.fileno()), self._clock()
            device = os.fstat(file.fileno()).st_dev
            known = self._known.get(name)
            if known is not None and known.seen == seen and self._devices.setdefault(name, device) == device:
                return known.sha256
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            unchanged = _seen(file.fileno()) == seen == _seen(name)
        if unchanged and max(seen.mtime_ns, seen.ctime_ns) + _UNSURE_NS < begun:
            self._known[name], self._devices[name], self._fresh = Known(seen, digest), device, True
        else:
            self._known.pop(name, None)
        return digest

    def keep(self) -> None:
        """Write down what is new; where nothing can be written, files are read again by the next process."""
        with self._keeping:
            if self._place is None or not self._fresh:
                return
            self._fresh = False
            try:
                kept.add(self._place, dict(self._known))
            except OSError as error:
                # A full disk may be freed. Else there is no such folder or it can't be written, and that lasts.
                self._fresh = error.errno == errno.ENOSPC


def _seen(file: int | str) -> Seen:
    found = os.stat(file)
    return Seen(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
