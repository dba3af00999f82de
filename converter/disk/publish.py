"""Copies on disk: where they go, written beside and renamed so that what exists is complete, checked before use."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from converter.contract import REPORT_NAME, ConversionFailed, CopyRefused, Identity, Report
from converter.disk.hashes import FileHash, sha256
from converter.disk.names import is_left_over, partial_prefix, stale_prefix
from converter.disk.opening import open_file, open_folder
from converter.kind import Kind


def location(model: Path, target: str, *, cache: Path | None = None) -> Path:
    """The folder of the copy: beside the model, or in `cache` when the model's folder can't be written.

    A copy that stands beside the model already is taken wherever new ones would go.
    """
    beside = model.with_name(f"{model.name}_{target}")
    if beside.is_dir() or cache is None or os.access(model.parent, os.W_OK):
        return beside
    return cache / beside.name


@contextmanager
def exclusive(folder: Path, *, until: float, waiting: Callable[[], AbstractContextManager[None]]) -> Iterator[bool]:
    """Only one process at a time makes what goes to `folder`: servers may share a cache. Whether it had to wait.

    `waiting` is entered while it waits; ConversionFailed if that takes until `until`, of time.monotonic.
    """
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        handle = open_file(lock, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise _not_written(folder, error) from error
    try:
        waited = not _try_lock(handle)
        if waited:
            with waiting():
                while not _try_lock(handle):
                    if time.monotonic() > until:
                        raise ConversionFailed(f"another process is still making {folder.name}")
                    time.sleep(0.2)
        yield waited
    finally:
        os.close(handle)


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well, and is removed when it does not.

    The new folder is locked while the block runs, so that what a crash left behind can be told from the
    work of another process and is removed the next time.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked_parent(folder.parent):
            _sweep(folder)
            partial, handle = _locked(folder)
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
        os.close(handle)
        shutil.rmtree(partial, ignore_errors=True)


def recover(folder: Path) -> None:
    """Remove what a conversion to `folder` that was killed left behind, and put back a copy that it had set aside."""
    try:
        with _locked_parent(folder.parent):
            _sweep(folder)
    except OSError:
        return  # there is no such place, or nothing can be written there


def usable_report(folder: Path, kind: Kind, identity: Identity) -> Report | None:
    """The report of the copy in `folder` if it may be loaded as what is wanted; None if not, or if there is none."""
    try:
        return check(folder, kind, identity) if folder.is_dir() else None
    except CopyRefused:
        return None


def add_report(folder: Path, report: Report) -> Report:
    """Write `report.json` with the checksum of every other file; the report with them."""
    complete = replace(report, files=_checksums(folder), size_bytes=size_bytes(folder))
    (folder / REPORT_NAME).write_text(complete.to_json() + "\n", encoding="utf-8")
    return complete


def check_kind(folder: Path, kind: Kind) -> None:
    """CopyRefused unless the files in `folder` are what a copy of this kind has; loads nothing."""
    try:
        mistake = kind.mistake(folder)
    except OSError as error:
        raise CopyRefused("incomplete", f"{folder.name} can't be read: {error.strerror}") from error
    if mistake:
        raise CopyRefused(mistake[0], f"{folder.name}: {mistake[1]}")


def check(folder: Path, kind: Kind, now: Identity, *, file_hash: FileHash = sha256) -> Report | None:
    """The report of a copy that may be loaded, None for one that has no report.

    CopyRefused if it is not of its kind, has a changed file, or an identity other than `now`.
    """
    check_kind(folder, kind)
    try:
        report = Report.read(folder)
    except ValueError as error:
        raise CopyRefused("incomplete", f"{folder.name}: {error}") from error
    if report is None:
        return None
    if report.target != kind.name:
        raise CopyRefused("not_what_it_says", f"{folder.name} was made as {report.target!r}, not as {kind.name!r}")
    difference = report.identity.mismatch(now)
    if difference:
        raise CopyRefused("identity", f"{folder.name} belongs to something else: {difference}")
    changed = _changed(folder, report.files, file_hash)
    if changed:
        raise CopyRefused("damaged", f"{folder.name} is damaged: {changed} is not the file that was written")
    return report


def source_sha256(model: Path, *, file_hash: FileHash = sha256) -> str:
    """One hash over the names and contents of a SavedModel's files (its `assets.extra` is no part of it)."""
    found = _checksums(model, file_hash)
    files = {name: digest for name, digest in found.items() if not name.startswith("assets.extra/")}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def copy_sha256(folder: Path, *, file_hash: FileHash = sha256) -> str:
    """One hash over the names and contents of all files of a copy, its report among them."""
    files = {str(path.relative_to(folder)): file_hash(path) for path in _files(folder)}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def size_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in _files(folder))


@contextmanager
def _locked_parent(parent: Path) -> Iterator[int]:
    """Only one process at a time makes, sweeps or renames folders in `parent`: servers may share a cache."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _not_written(folder: Path, error: OSError) -> ConversionFailed:
    why = error.strerror
    if error.errno in (0, errno.ELOOP):  # something that another put in the place of a file of ours
        why = f"{Path(error.filename).name} is a link, or no file"
    return ConversionFailed(f"the copy can't be written to {folder.parent.absolute().name}: {why}")


def _locked(folder: Path) -> tuple[Path, int]:
    """A new folder for what becomes `folder`, and the handle that holds its lock."""
    partial = Path(tempfile.mkdtemp(prefix=partial_prefix(folder), dir=folder.parent))
    handle = open_folder(partial)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return partial, handle


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(folder: Path) -> None:
    for left in folder.parent.iterdir():
        if not is_left_over(left, folder):
            continue
        try:
            handle = open_folder(left)
        except OSError:
            continue  # another user's, or no folder: nothing that a conversion left
        try:
            if (left / folder.name).is_dir() and not os.path.lexists(folder):
                (left / folder.name).rename(folder)  # set aside for a new one that never took its place
            if _try_lock(handle):  # else another process is writing it now
                shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(handle)


def _put_in_place(partial: Path, folder: Path) -> None:
    partial.chmod(0o755)  # mkdtemp makes it private; servers may run as another user
    for path in [*_files(partial), *(path for path in partial.rglob("*") if path.is_dir()), partial]:
        _fsync(path)
    with _locked_parent(folder.parent) as parent:
        try:
            if os.path.lexists(folder):  # of a link the link itself: what it leads to stays as it is
                stale = Path(tempfile.mkdtemp(prefix=stale_prefix(folder), dir=folder.parent))
                folder.rename(stale / folder.name)
            partial.rename(folder)
        finally:
            _sweep(folder)  # removes the old copy, or puts it back if this was interrupted between the two
        os.fsync(parent)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _checksums(folder: Path, file_hash: FileHash = sha256) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_hash(path) for path in _files(folder) if path.name != REPORT_NAME}


def _changed(folder: Path, files: Mapping[str, str], file_hash: FileHash) -> str | None:
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or file_hash(path) != digest:
            return name
    return None
