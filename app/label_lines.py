"""Labels line by line: an id and a name, names alone, or a table with a separator."""

import csv
import re
from collections.abc import Iterator, Sequence
from io import StringIO

from app.label_rows import Row, WrongLine, number

_NUMBERED = re.compile(r"(?P<id>\d+)(?:\s*[:=]\s*|\s+)(?P<name>\S.*)", re.ASCII)
_FORMS = {
    "lines of an id and a name": _NUMBERED,
    "lines of a name and an id": re.compile(r"(?P<name>\S.*?)\s*[:=]\s*(?P<id>\d+)", re.ASCII),
}
# 1. or (1) or [1] before a name, or a number behind each: what is meant by it can't be told.
_DOUBTFUL = (re.compile(r"\W*\d+\W.*", re.ASCII), re.compile(r".*\s\d+", re.ASCII))
_SEPARATORS = ("\t", ",", ";")
_NAME_COLUMNS = ("display_name", "displayname", "class_name", "label_name", "category_name", "name", "label", "class")
_ID_COLUMNS = ("id", "class_id", "classid", "label_id", "category_id", "class_index", "index", "idx")

Line = tuple[int, str]  # its number and what it says


def rows(text: str, *, is_table: bool) -> tuple[str, Iterator[Row]]:
    """What the form is called, and its rows, which raise WrongLine where a line is not of it."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    said = [(at, line) for at, line in lines if _says_something(line)]
    for form, pattern in _FORMS.items():
        if _all(pattern, said):
            return form, _matched(pattern, said)
    return _table_or_names(text, lines, said, is_table=is_table)


def _table_or_names(
    text: str, lines: Sequence[Line], said: Sequence[Line], *, is_table: bool
) -> tuple[str, Iterator[Row]]:
    if is_table or _separator(said):
        return "a table", _table(text, _separator(said) or ",")
    return "lines", _names(lines, said)


def _separator(said: Sequence[Line]) -> str | None:
    """What every line has."""
    return next((each for each in _SEPARATORS if said and all(each in line for _, line in said)), None)


def _says_something(line: str) -> bool:
    """Whether it is neither blank nor a comment; colours and tags are none."""
    return line not in ("", "#") and not line.startswith("# ")


def _all(form: re.Pattern[str], said: Sequence[Line]) -> bool:
    return bool(said) and all(form.fullmatch(line) for _, line in said)


def _matched(form: re.Pattern[str], said: Sequence[Line]) -> Iterator[Row]:
    for at, line in said:
        if found := form.fullmatch(line):
            yield _row(at, found["id"], found["name"])


def _row(at: int, class_id: str, name: str) -> Row:
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return Row(at, number(class_id), name[1:-1] if quoted else name)


def _table(text: str, separator: str) -> Iterator[Row]:
    table = [(at, cells) for at, cells in _cells(text, separator) if _says_something(" ".join(cells).strip())]
    if not table:
        return
    words = [_word(cell) for cell in table[0][1]]
    has_heading = _is_heading(words)
    heading = words if has_heading else [""] * len(words)
    columns = _columns(heading, table[has_heading:])
    for at, cells in table[has_heading:]:
        yield _of_cells(at, cells, columns, width=len(heading))


def _cells(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a table with their numbers; quotes are those of CSV."""
    reader = csv.reader(StringIO(text), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise WrongLine(reader.line_num, f"it can't be read: {error}") from error


def _word(cell: str) -> str:
    return cell.strip("\"'").lower().replace(" ", "_").replace("-", "_")


def _is_heading(words: Sequence[str]) -> bool:
    has_id = len(words) == 1 or not {*_ID_COLUMNS}.isdisjoint(words)
    return has_id and not {*_NAME_COLUMNS}.isdisjoint(words)


def _columns(heading: Sequence[str], body: Sequence[tuple[int, list[str]]]) -> tuple[int | None, int]:
    """Which columns have the ids, if any has, and the names."""
    if len(heading) == 1:
        return None, 0
    line, cells = body[0] if body else (1, [])
    id_column = _id_column(heading, cells, line)
    others = [place for place in range(len(heading)) if place != id_column]
    if len(others) == 1:
        return id_column, others[0]
    return id_column, _name_column(heading, line)


def _id_column(heading: Sequence[str], cells: Sequence[str], line: int) -> int:
    numbers = [place for place, cell in enumerate(cells) if number(cell) is not None]
    named = [heading.index(word) for word in _ID_COLUMNS if word in heading] or numbers
    if len(named) != 1 and named is numbers:
        raise WrongLine(line, "no single column has class ids")
    return named[0]


def _name_column(heading: Sequence[str], line: int) -> int:
    named = next((heading.index(word) for word in _NAME_COLUMNS if word in heading), None)
    if named is None:
        raise WrongLine(line, f"it has {len(heading)} columns, and no heading says which has the names")
    return named


def _of_cells(at: int, cells: Sequence[str], columns: tuple[int | None, int], *, width: int) -> Row:
    id_column, name_column = columns
    if len(cells) != width:
        raise WrongLine(at, f"it has {len(cells)} columns, and the first line has {width}")
    class_id = None if id_column is None else number(cells[id_column])
    if id_column is not None and class_id is None:
        raise WrongLine(at, f"{cells[id_column][:40]!r} is not a class id")
    return Row(at, class_id, cells[name_column])


def _names(lines: Sequence[Line], said: Sequence[Line]) -> Iterator[Row]:
    """Names alone; every line counts, so none may be doubtful."""
    last = said[-1][0] if said else 0
    doubtful = any(_all(form, said) for form in _DOUBTFUL)
    for at, line in lines[:last]:
        if doubtful or _NUMBERED.fullmatch(line):
            why = "has a number, and whether that is its id can't be told: give each line one, like '18 dog'"
            raise WrongLine(at, f"{line[:40]!r} {why}")
        _check_counts(at, line)
        yield Row(at, None, line)


def _check_counts(at: int, line: str) -> None:
    if not line or line.startswith("#"):
        what = "begins with '#'" if line else "is blank"
        raise WrongLine(at, f"it {what}, and whether it counts as a class can't be told")
