"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is escaped, since it would end the cell."""
    return "\n".join(_line(each) for each in (head, ["---"] * len(head), *rows))


def code(*words: str) -> str:
    """Each word as code, with commas between them."""
    return ", ".join(f"`{word}`" for word in words)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
