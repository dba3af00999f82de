"""Bring the model into a volume, before the server starts: python deploy/bring_model.py SOURCE TARGET [SHA256]

SOURCE is a folder of the image, or the http(s) address of a tar archive, compressed or not, whose SHA256 must then be
given: a model is a program. What the archive holds (a SavedModel, or folders of versions) becomes the folder TARGET; a
folder around all of it is left out. A TARGET that is there stays as it is, so that a restart brings nothing twice.
Exit code 0 if it is there; else 1, with one sentence on stderr.
"""

import hashlib
import shutil
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO

TIMEOUT_S = 60  # of silence
PIECE_BYTES = 1 << 20


class NotBrought(Exception):
    """Why there is no model; one sentence."""


def main(argv: Sequence[str]) -> int:
    """Bring it once."""
    source, target, digest = (*argv, "")[:3] if len(argv) in (2, 3) else ("", "", "")
    try:
        if not source:
            raise NotBrought("give a source, a target and, for an address, the archive's SHA256")
        bring(source, Path(target), digest)
    except (NotBrought, OSError) as error:
        sys.stderr.write(f"bring_model: {error}\n")
        return 1
    return 0


def bring(source: str, target: Path, digest: str) -> None:
    """Make `target` of the folder or the archive; it appears whole. NotBrought or OSError if that can't be."""
    if target.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".bringing-", dir=target.parent) as folder:
        fresh = Path(folder) / "model"
        if source.startswith(("https://", "http://")):
            found = _unpacked(source, digest.lower(), Path(folder), fresh)
        else:
            found = Path(shutil.copytree(source, fresh))
        found.rename(target)


def _unpacked(url: str, digest: str, folder: Path, fresh: Path) -> Path:
    if not digest:
        raise NotBrought(f"the SHA256 of {url} is not given")
    archive = folder / "archive"
    with archive.open("wb") as file:
        found = _fetch(url, file)
    if found != digest:
        raise NotBrought(f"{url} is not what is meant: its SHA256 is {found}")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(fresh, filter="data")  # nothing outside of the folder, no devices, nobody's user id
    except tarfile.TarError as error:
        said = str(error).partition("\n")[0]  # the rest lists what it tried
        raise NotBrought(f"{url} is no tar archive that can be unpacked: {said}") from error
    return _inside(fresh)


def _fetch(url: str, file: IO[bytes]) -> str:
    """What the bytes hash to."""
    sha = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        while piece := answer.read(PIECE_BYTES):
            sha.update(piece)
            file.write(piece)
    return sha.hexdigest()


def _inside(folder: Path) -> Path:
    """The folder itself, or the one in it around all of it; one that is named by digits is a version."""
    entries = list(folder.iterdir())
    alone = len(entries) == 1 and entries[0].is_dir() and not entries[0].name.isdigit()
    return entries[0] if alone else folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
