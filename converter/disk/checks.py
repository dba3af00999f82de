"""Which copies may be loaded: what their reports say of their files and of what they were made from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from converter.contract import REPORT_NAME, CopyRefused, Identity, Report
from converter.disk import trees
from converter.disk.hashes import FileHash, sha256
from converter.kind import Kind


def usable_report(folder: Path, kind: Kind, identity: Identity) -> Report | None:
    """The report of the copy in `folder` if it may be loaded as what is wanted; None if not, or if there is none."""
    try:
        return check(folder, kind, identity) if folder.is_dir() else None
    except CopyRefused:
        return None


def add_report(folder: Path, report: Report) -> Report:
    """Write `report.json` with the checksum of every other file; the report with them."""
    files = trees.digests(trees.without_report(trees.walk(folder)), sha256)
    complete = replace(report, files=files, size_bytes=trees.size_bytes(folder))
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
        raise CopyRefused("identity", f"{folder.name} {_in_words(report.identity, now)}: {difference}")
    changed = _changed(folder, report.files, file_hash)
    if changed:
        raise CopyRefused("damaged", f"{folder.name} is damaged: {changed} is not the file that was written")
    return report


def _in_words(made_with: Identity, now: Identity) -> str:
    """What kind of difference it is: an option is changed back more easily than a model or a machine."""
    if made_with.source_sha256 != now.source_sha256:
        return "belongs to another model"
    only_options = replace(made_with, options=now.options) == now
    return "has other options than are asked for" if only_options else "belongs to something else"


def _changed(folder: Path, files: Mapping[str, str], file_hash: FileHash) -> str | None:
    """The first file that is not the one that was written."""
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        return missing[0]
    found = trees.digests({name: folder / name for name in files}, file_hash)
    return next((name for name, digest in files.items() if found[name] != digest), None)
