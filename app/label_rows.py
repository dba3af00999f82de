"""What every form of a file of labels is read into."""

from dataclasses import dataclass


class WrongLine(Exception):
    """A line is not of the form that the others have; the message says what is wrong with it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True)
class Row:
    """A class as it stands in a file."""

    line: int  # counted from 1
    class_id: int | None  # None: the file has names alone
    name: str


def number(text: str) -> int | None:
    """The class id in a text of digits, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
