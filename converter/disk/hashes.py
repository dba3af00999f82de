"""Hashes of files that are asked for again and again: a file is read anew when it may have changed, and not before."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

FileHash = Callable[[Path], str]

_UNSURE_NS = 2_000_000_000  # what was written so shortly before it was read may change within one tick of its clock


def sha256(path: Path) -> str:
    """The hash of a file's contents; OSError if it can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Hashes:
    """Remembers the hash of each file with its size, its times and its inode; a change of its contents changes one.

    Of `sha256`'s signature; it may be called from several threads.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], str]] = {}

    def __call__(self, path: Path) -> str:
        """The hash of a file's contents; OSError if it can't be read."""
        begun, seen = time.time_ns(), _seen(path)
        known = self._known.get(path)
        if known is not None and known[0] == seen:
            return known[1]
        digest = sha256(path)
        if max(seen[1:3]) + _UNSURE_NS < begun and _seen(path) == seen:
            self._known[path] = (seen, digest)
        else:
            self._known.pop(path, None)
        return digest


def _seen(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
