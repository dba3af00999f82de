"""All files below a folder, those behind links among them, and hashes over their names and contents."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.contract import REPORT_NAME
from converter.description import OWN_WORDS
from converter.disk.hashes import FileHash, Hashes, sha256

_EXTRA = "assets.extra"  # a SavedModel's folder for what is no part of the model, its labels among it


@dataclass(frozen=True, slots=True)
class Tree:
    """What is below a folder, by relative name."""

    files: Mapping[str, Path]
    apart: Mapping[str, str]  # folders into which nobody looked, and why


def walk(folder: Path, *, without: Collection[str] = ()) -> Tree:
    """Everything below `folder` but the entries of these names; links are followed, and no folder is entered twice.

    OSError if a folder can't be read for another reason than its permissions. Of no folder: nothing.
    """
    files: dict[str, Path] = {}
    apart: dict[str, str] = {}
    seen: dict[tuple[int, int], str] = {}
    left = [folder] if folder.is_dir() else []
    while left:  # in the order of names: which of two links to a folder comes first is always the same
        here = left.pop()
        name = str(here.relative_to(folder))
        entries, reason = _look(here, name, seen)
        apart.update({name: reason} if reason else {})
        entries = [each for each in entries if str(each.relative_to(folder)) not in without]
        files.update({str(each.relative_to(folder)): each for each in entries if each.is_file()})
        left += [each for each in entries if each.is_dir()]
    return Tree(files, apart)


def _look(folder: Path, name: str, seen: dict[tuple[int, int], str]) -> tuple[list[Path], str]:
    """What is in a folder, the last name first; or why nobody looked. `seen`: the folders before it, by inode."""
    found = folder.stat()
    first = seen.setdefault((found.st_dev, found.st_ino), name)
    if first != name:
        return [], f"the folder {first}"  # its files are known by the names that they have there
    try:
        return sorted(folder.iterdir(), reverse=True), ""
    except PermissionError:
        return [], "it can't be read"


def digests(paths: Mapping[str, Path], file_hash: FileHash) -> dict[str, str]:
    """The hash of each file by its name; those that are remembered are kept on disk at the end."""
    found = {name: file_hash(path) for name, path in paths.items()}
    if isinstance(file_hash, Hashes):
        file_hash.keep()
    return found


def without_report(tree: Tree) -> dict[str, Path]:
    """The files but for reports: what a report has the checksums of."""
    return {name: path for name, path in tree.files.items() if path.name != REPORT_NAME}


def source_sha256(model: Path, *, file_hash: FileHash = sha256) -> str:
    """One hash over the names and contents of a SavedModel's files.

    Of its `assets.extra` only what it says of itself is a part of it: that decides what its copies are.
    """
    tree, own = walk(model, without=(_EXTRA,)), model / OWN_WORDS
    files = {**without_report(tree), **({OWN_WORDS: own} if own.is_file() else {})}
    return _over({**tree.apart, **digests(files, file_hash)})


def copy_sha256(folder: Path, *, file_hash: FileHash = sha256) -> str:
    """One hash over the names and contents of all files of a copy, its report among them."""
    tree = walk(folder)
    return _over({**tree.apart, **digests(tree.files, file_hash)})


def size_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return _size(walk(folder).files.values())


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _over(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
