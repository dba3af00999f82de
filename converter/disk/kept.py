"""A file with the hashes of other files and what those looked like then, so that nothing is read without need."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from converter.disk.opening import read_file, replace_file

_LARGEST = 16 << 20  # bytes; more is no file of ours
_DIGITS = frozenset("0123456789abcdef")


class Seen(NamedTuple):
    """What changes when the contents of a file do."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Known(NamedTuple):
    """A hash, and what its file looked like."""

    seen: Seen
    sha256: str


def beside(copy: Path) -> Path:
    """Where the hashes are kept of the files of a copy and of its source."""
    return copy.with_name(".hashes.json")


def read(place: Path) -> dict[str, Known]:
    """Those at `place`, by the path of their file; of what can't be read or understood none."""
    try:
        found = json.loads(read_file(place, most=_LARGEST))
        return {name: _known(value) for name, value in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def add(place: Path, known: Mapping[str, Known]) -> None:
    """Write these to `place`, with those that others put there; what they say of files that are gone goes.

    OSError if it can't be written. Of two that do so at once one may win: the other's files are read again.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    both = {name: value for name, value in {**read(place), **known}.items() if os.path.exists(name)}
    content = json.dumps({name: [*value.seen, value.sha256] for name, value in both.items()}, indent=0)
    part = place.with_name(f"{place.name}.{uuid.uuid4().hex}.part")
    try:
        replace_file(place, content.encode(), beside=part)
    finally:
        part.unlink(missing_ok=True)


def _known(value: Any) -> Known:
    *numbers, digest = value
    if not all(type(number) is int for number in numbers) or len(digest) != 64 or not _DIGITS.issuperset(digest):
        raise ValueError("this was not written by `add`")
    return Known(Seen(*numbers), digest)
