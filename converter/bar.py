"""Progress for people: one bar on a terminal with the step in words; elsewhere JSON lines."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm import tqdm

from converter.progress import DONE, RUNNING, Event, Progress, in_words

_FORMAT = "{bar:24} {n:.0f}/{total_fmt} {desc} ({elapsed})"


@contextmanager
def progress(stream: TextIO) -> Iterator[Progress]:
    """Progress that is shown on `stream` as suits it."""
    if not stream.isatty():
        yield Progress()
        return
    with tqdm(total=1, file=stream, bar_format=_FORMAT, leave=False, **_size(stream)) as shown:

        def show(event: Event) -> None:
            _move(shown, event)
            if event.seconds is not None:
                shown.write(f"{in_words(event.step)}: {event.seconds:.1f} s", file=stream)

        yield Progress(show, lambda line: shown.write(line, file=stream))


def _size(stream: TextIO) -> dict[str, Any]:
    """A container's terminal often has none, and tqdm would show nothing."""
    sized = os.get_terminal_size(stream.fileno()).columns > 0
    return {"dynamic_ncols": True} if sized else {"ncols": 80, "nrows": 24}


def _move(shown: "tqdm[Any]", event: Event) -> None:
    inside = event.part / event.parts if event.part is not None and event.parts else 0.0
    if event.number is not None and event.of is not None:
        shown.total = event.of
        shown.n = event.number if event.state == DONE else event.number - 1 + inside
    parts = f" {event.part} of {event.parts}" if event.state == RUNNING else ""
    shown.set_description_str(in_words(event.step) + parts)
