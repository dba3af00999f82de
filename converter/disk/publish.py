"""A copy is written beside its place and renamed: what exists is complete. One process at a time does that to a place.

Servers may share a cache. Whoever makes, moves or sweeps a copy holds the lock of its place: a file beside it.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from converter.contract import ConversionFailed
from converter.disk import locks
from converter.disk.locks import Took
from converter.disk.names import is_left_over, partial_prefix, stale_prefix
from converter.disk.opening import open_file, open_folder


@contextmanager
def exclusive(folder: Path, *, until: float, waiting: Callable[[], AbstractContextManager[None]]) -> Iterator[bool]:
    """Only one process at a time makes what goes to `folder`. Whether it had to wait.

    `waiting` is entered while it waits; ConversionFailed if that takes until `until`, of time.monotonic. Where the file
    system can't lock files nobody is waited for, and what others left is not swept away: it may be in use.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = open_lock(folder)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        took = locks.take(handle)
        waited = took is Took.BUSY
        if waited:
            with waiting():
                while (took := locks.take(handle)) is Took.BUSY:
                    if time.monotonic() > until:
                        raise ConversionFailed(f"another process is still making {folder.name}")
                    time.sleep(0.2)
        if took is Took.HELD:
            with suppress(OSError):
                sweep(folder)
        yield waited
    finally:
        os.close(handle)


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well, and is removed when it does not.

    Whoever calls this has the place for itself: see `exclusive`.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=partial_prefix(folder), dir=folder.parent))
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        yield partial
        _put_in_place(partial, folder)
    except shutil.Error as error:  # of copytree: for each file source, target and reason
        raise ConversionFailed(f"writing the copy failed: {error.args[0][0][2]}") from error
    except OSError as error:
        raise ConversionFailed(f"writing the copy failed: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recover(folder: Path) -> None:
    """Remove what a conversion to `folder` that was killed left behind, and put back a copy that it had set aside.

    Where another process is at work there, that one does so.
    """
    try:
        if not any(is_left_over(path, folder) for path in folder.parent.iterdir()):
            return
        handle = open_lock(folder)
    except OSError:
        return  # there is no such place, or nothing can be written there
    try:
        if locks.take(handle) is Took.HELD:
            with suppress(OSError):
                sweep(folder)
    finally:
        os.close(handle)


def open_lock(folder: Path) -> int:
    """A handle of the file that is locked by whoever changes what is at `folder`; OSError as `open_file`.

    It stays when the lock goes: another process may have opened it already.
    """
    return open_file(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT)


def sweep(folder: Path) -> None:
    """Do what `recover` does, by who holds the lock; OSError if it can't be done."""
    for left in folder.parent.iterdir():
        if is_left_over(left, folder):
            _clear(left, folder)


def fsync(path: Path) -> None:
    """Have a file, or the names in a folder, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_written(folder: Path, error: OSError) -> ConversionFailed:
    why = error.strerror
    if error.errno in (0, errno.ELOOP):  # something that another put in the place of a file of ours
        why = f"{Path(error.filename).name} is a link, or no file"
    return ConversionFailed(f"the copy can't be written to {folder.parent.absolute().name}: {why}")


def _put_in_place(partial: Path, folder: Path) -> None:
    partial.chmod(0o755)  # mkdtemp makes it private; servers may run as another user
    for path in [*(path for path in partial.rglob("*") if path.is_file() or path.is_dir()), partial]:
        fsync(path)
    stale = None
    try:
        if os.path.lexists(folder):  # of a link the link itself: what it leads to stays as it is
            stale = Path(tempfile.mkdtemp(prefix=stale_prefix(folder), dir=folder.parent))
            folder.rename(stale / folder.name)
        partial.rename(folder)
    finally:
        if stale is not None:
            _clear(stale, folder)
    fsync(folder.parent)


def _clear(left: Path, folder: Path) -> None:
    """Remove what was left; a copy that was set aside for a new one is put back if that never took its place."""
    try:
        os.close(open_folder(left))
    except OSError:
        return  # another user's, or no folder: nothing that a conversion left
    if (left / folder.name).is_dir() and not os.path.lexists(folder):
        (left / folder.name).rename(folder)
    shutil.rmtree(left, ignore_errors=True)
