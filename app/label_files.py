"""Files of class names in the forms that people have: read as ids and names, or refused by their form and line."""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import label_lines, label_trees
from app.label_rows import Row, WrongLine

MOST_BYTES = 1 << 20  # 20,000 names
MOST_CHARACTERS = 200  # of a name
_MOST_ID = 2**31 - 1  # models count in 32 bits
_UNNAMED = frozenset({"???", "n/a"})  # what TFLite's and torchvision's lists have where no class is
_BACKGROUND = frozenset({"background", "__background__", "_background_"})
_BRACKETS = ("[", "{")
_TREE_KEY = re.compile(rf"^({'|'.join(label_trees.KEYS)})\s*:\s*($|#|[\[{{&])", re.MULTILINE)
_ITEM = re.compile(r"^\s*item\s*:?\s*[{<]", re.MULTILINE)


class WrongLabels(Exception):
    """A file of labels can't be understood; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The names in a file."""

    names: Mapping[int, str]  # by class id; by place, counted from 0, where the file has names alone
    form: str
    has_ids: bool  # else which id the first name has must be known from elsewhere

    def shifted(self, first: int) -> dict[int, str]:
        """The names by id, if this is the id of the first; what would be below 0 is left out."""
        by = first - (min(self.names) if self.has_ids else 0)
        return {class_id + by: name for class_id, name in self.names.items() if class_id + by >= 0}


def read(path: Path) -> Labels:
    """The names in a file; WrongLabels names the form that it seems to have and the line that is not of it."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WrongLabels(f"{path.name} has more than {MOST_BYTES:,} bytes, which is too much for names of classes")
        data = path.read_bytes()
    except OSError as error:
        raise WrongLabels(f"{path.name} can't be read: {error.strerror or error}") from error
    form = "text"
    try:
        text = _text(data)
        form, rows = _rows(text, path.suffix.lower())
        return _labels(list(rows), form)
    except WrongLine as error:
        raise WrongLabels(f"line {error.line} of {path.name}, read as {form}: {error}") from error


def is_background(name: str) -> bool:
    """Whether this is what lists call the class that is none."""
    return name.lower() in _BACKGROUND | _UNNAMED


def _text(data: bytes) -> str:
    """The text, with line feeds between its lines; editors and shells of Windows mark the kind by its first bytes."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongLine(line, "it is not UTF-8; save the file as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(text: str, suffix: str) -> tuple[str, Iterator[Row]]:
    """What the form of a file is called, and its rows, which raise WrongLine as they are read."""
    if suffix in (".pbtxt", ".prototxt") or _ITEM.search(text):
        return "pbtxt", label_trees.pbtxt(text)
    if suffix == ".json" or text.lstrip().startswith(_BRACKETS):
        return "JSON", label_trees.tree(text.replace("\t", " "))  # which YAML does not take between words
    if suffix in (".yaml", ".yml") or _is_yaml(text):
        return "YAML", label_trees.tree(text)
    return label_lines.rows(text, is_table=suffix in (".csv", ".tsv"))


def _is_yaml(text: str) -> bool:
    """Whether it has one of the keys, or is a list."""
    if _TREE_KEY.search(text):
        return True
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith(("#", "---"))]
    return bool(lines) and all(line.startswith("- ") for line in lines)


def _labels(rows: Sequence[Row], form: str) -> Labels:
    if all(map(_is_unnamed, rows)):
        raise WrongLine(1, "there is no name in it")
    _check(rows)
    if rows[0].class_id is not None:
        return Labels({row.class_id or 0: row.name for row in rows if not _is_unnamed(row)}, form, has_ids=True)
    names = {place: row.name for place, row in enumerate(rows) if not _is_unnamed(row)}
    return Labels(names, f"{form} of names alone", has_ids=is_background(rows[0].name))


def _is_unnamed(row: Row) -> bool:
    return row.name.lower() in _UNNAMED


def _check(rows: Sequence[Row]) -> None:
    known: dict[int, int] = {}
    with_ids = rows[0].class_id is not None
    for row in rows:
        _check_name(row)
        if (row.class_id is not None) != with_ids:
            raise WrongLine(row.line, f"{row.name[:40]!r} is unlike those before it: all have ids, or none")
        if row.class_id in known:
            raise WrongLine(row.line, f"it names class {row.class_id} again, as line {known[row.class_id]} does")
        if row.class_id is not None:
            known[row.class_id] = row.line


def _check_name(row: Row) -> None:
    if not row.name or not row.name.isprintable() or len(row.name) > MOST_CHARACTERS:
        raise WrongLine(row.line, f"{row.name[:40]!r} is not a name of 1 to {MOST_CHARACTERS} printable characters")
    if row.class_id is not None and not 0 <= row.class_id <= _MOST_ID:
        raise WrongLine(row.line, f"{row.class_id} is not a class id")
