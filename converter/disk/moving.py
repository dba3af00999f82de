"""Copies that earlier servers put into the one folder of a cache, where models of the same name met, are moved."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converter.contract import Report
from converter.disk import locks
from converter.disk.locks import Took
from converter.disk.names import is_left_over
from converter.disk.publish import fsync, open_lock, sweep

_BUSY = "another process is at work on it"


@dataclass(frozen=True, slots=True)
class Adopted:
    """Where a model's copy is to be looked for, and what was done about an earlier one or is the matter with it."""

    place: Path
    moved: bool = False
    reason: str = ""


def adopt(old: Path, new: Path, source_sha256: str | None) -> Adopted:
    """Move the copy at `old` to `new` if it was made from the source of this hash, and nothing is at `new`.

    It is a rename: at any moment the whole copy stands in one of the two places. Where it can't be moved it stays.
    """
    if os.path.lexists(new) or not _is_something(old):
        return Adopted(new)
    try:
        with _alone(old, new) as alone:
            return _adopted(old, new, source_sha256) if alone else Adopted(new, reason=_BUSY)
    except OSError as error:
        reason = _not_ours(old, source_sha256)
        return Adopted(new if reason else old, reason=reason or f"it can't be moved: {error.strerror or error}")


def _adopted(old: Path, new: Path, source_sha256: str | None) -> Adopted:
    sweep(old)
    if os.path.lexists(new) or not os.path.lexists(old):
        return Adopted(new)
    if reason := _not_ours(old, source_sha256):
        return Adopted(new, reason=reason)
    old.rename(new)
    fsync(new.parent)
    fsync(old.parent)
    return Adopted(new, moved=True)


def _is_something(old: Path) -> bool:
    try:
        return any(path == old or is_left_over(path, old) for path in old.parent.iterdir())
    except OSError:
        return False


@contextmanager
def _alone(old: Path, new: Path) -> Iterator[bool]:
    """Whether no other process is at work at either place while the block runs."""
    new.parent.mkdir(parents=True, exist_ok=True)
    handles = [open_lock(old)]
    try:
        handles.append(open_lock(new))
        yield _as_earlier_servers(handles[0]) and locks.take(handles[1]) is not Took.BUSY
    finally:
        for handle in handles:
            os.close(handle)


def _as_earlier_servers(handle: int) -> bool:
    """Take the lock that they took at the old place; not only they may be there, but others that move a copy."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # there can be no such lock, so nobody has it
    return True


def _not_ours(old: Path, source_sha256: str | None) -> str:
    """Why the copy is left alone; empty if it was made from this source."""
    if old.is_symlink():
        return "it is a link"
    try:
        report = Report.read(old)
    except ValueError as error:
        return str(error)
    if report is None:
        return "it has no report.json that says which model it was made from"
    return "" if report.identity.source_sha256 == source_sha256 else "it was made from another model"
