"""`python -m app detect`: finds the objects in pictures, by a server that runs or by one that it starts."""

import base64
import glob
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from app.commands.asking import Asker, NoServer
from app.commands.own_server import serving
from converter.bar import counting

_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
_WIDEST = 60  # letters of a file's name in the table
ALL_ANSWERED, SOME_FAILED, WRONG_USE = 0, 1, 2


class NoPictures(Exception):
    """There is nothing to look at where one said; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's arguments."""

    pictures: Sequence[str]  # files, folders, patterns
    url: str | None = None
    draw: Path | None = None  # folder for pictures with boxes
    as_json: bool = False
    in_flight: int = 4
    parameters: Mapping[str, Any] = field(default_factory=dict)  # of /detect
    token: str | None = field(default=None, repr=False)


def run(asked: Asked, environ: Mapping[str, str]) -> int:
    """Print what is found; the exit code: 0, 1 if a picture has no answer, 2 if nothing could be asked."""
    try:
        files = find(asked.pictures)
        if asked.draw is not None:
            asked.draw.mkdir(parents=True, exist_ok=True)
        with serving(environ, parameters=asked.parameters) if asked.url is None else nullcontext(asked.url) as url:
            return _answered(asked, files, url, asked.token)
    except (NoPictures, NoServer, OSError) as error:
        print(f"detect: {error}", file=sys.stderr)
        return WRONG_USE


def find(given: Iterable[str]) -> list[Path]:
    """The JPEG files that are meant: files, those in folders and below, and those that patterns match."""
    found: dict[Path, None] = {}
    for each in given:
        path = Path(each)
        names = sorted(_in(path)) if path.is_dir() else [path] if path.is_file() else _matching(each)
        if not names:
            raise NoPictures(f"there is no JPEG file at {each}")
        found.update(dict.fromkeys(names))
    return list(found)


def _in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())


def _matching(pattern: str) -> list[Path]:
    return [path for path in map(Path, sorted(glob.glob(pattern, recursive=True))) if path.is_file()]


def _answered(asked: Asked, files: Sequence[Path], url: str, token: str | None) -> int:
    parameters = {**asked.parameters, **({"annotate": "true"} if asked.draw else {})}
    asker = Asker.of(url, parameters, token)
    failed, taken = 0, set[str]()
    with ThreadPoolExecutor(asked.in_flight) as pool, counting(sys.stderr, len(files), "pictures") as count:
        for path, answer in zip(files, pool.map(partial(_ask, asker), files), strict=True):
            if asked.draw:
                _draw(asked.draw, path, answer, taken)
            failed += "error" in answer
            with count():
                print(json.dumps({"file": str(path), **answer}) if asked.as_json else _row(path, answer), flush=True)
    return SOME_FAILED if failed else ALL_ANSWERED


def _ask(asker: Asker, path: Path) -> dict[str, Any]:
    try:
        return asker.detect(path.read_bytes())
    except OSError as error:
        return {"error": error.strerror or str(error), "code": "unreadable"}


def _row(path: Path, answer: Mapping[str, Any]) -> str:
    name = str(path)
    name = name if len(name) <= _WIDEST else "…" + name[1 - _WIDEST :]
    if "error" in answer:
        return f"{name}\t{answer['error']}"
    words = [f"{answer['backend']} {answer['timing_ms']['infer']:.1f} ms", _objects(answer)]
    if "comparison" in answer:
        seen = answer["comparison"]
        agreement = "the same" if seen["agree"] else f"they differ: {seen['reason']}"
        words += [f"{seen['copy']} {seen['copy_ms']:.1f} ms: {agreement}"]
    return "\t".join([name, *words])


def _objects(answer: Mapping[str, Any]) -> str:
    return ", ".join(f"{each['label']} {each['score']:.2f}" for each in answer["detections"]) or "nothing"


def _draw(folder: Path, path: Path, answer: dict[str, Any], taken: set[str]) -> None:
    """Write the pictures with boxes; what is written is not printed."""
    for suffix, part in (("", answer), (".copy", answer.get("copy") or {})):
        if uri := part.pop("annotated", None):
            name = _free(f"{path.stem}{suffix}", taken)
            (folder / f"{name}.jpg").write_bytes(base64.b64decode(uri.partition(",")[2]))


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number behind it if files of other folders have it already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free
