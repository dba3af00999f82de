"""Progress for people: one bar on a terminal with the step in words; elsewhere JSON lines."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from converter.progress import DONE, RUNNING, Event, Progress, in_words

if TYPE_CHECKING:
    from tqdm import tqdm

_FORMAT = "{bar:24} {n:.0f}/{total_fmt} {desc} ({elapsed})"


@contextmanager
def progress(stream: TextIO) -> Iterator[Progress]:
    """Progress that is shown on `stream` as suits it."""
    if not stream.isatty():
        yield Progress()
        return
    from tqdm import tqdm  # takes a while, and a conversion beside a server has no terminal

    sized = os.get_terminal_size(stream.fileno()).columns > 0  # a container's often is not, and tqdm would show nothing
    size: dict[str, Any] = {"dynamic_ncols": True} if sized else {"ncols": 80, "nrows": 24}
    with tqdm(total=1, file=stream, bar_format=_FORMAT, leave=False, **size) as bar:
        yield Progress(partial(_show, bar, stream), partial(bar.write, file=stream))


def _show(bar: "tqdm[Any]", stream: TextIO, event: Event) -> None:
    if event.number is not None and event.of is not None:
        bar.total = event.of
        bar.n = event.number - 1 + _share(event)
    parts = f" {event.part} of {event.parts}" if event.state == RUNNING else ""
    bar.set_description_str(in_words(event.step) + parts)
    if event.seconds is not None:
        bar.write(f"{in_words(event.step)}: {event.seconds:.1f} s", file=stream)


def _share(event: Event) -> float:
    """How much of its step is done."""
    if event.state == DONE:
        return 1
    return event.part / event.parts if event.part is not None and event.parts else 0.0


@contextmanager
def counting(stream: TextIO, total: int, unit: str) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A bar of so many things on a terminal, nothing elsewhere; each thing counts with a block that it gives.

    What the block prints does not run into the bar.
    """
    if not stream.isatty():
        yield nullcontext
        return
    from tqdm import tqdm

    with tqdm(total=total, file=stream, unit=f" {unit}", leave=False, dynamic_ncols=True) as bar:

        @contextmanager
        def count() -> Iterator[None]:
            bar.clear()
            yield
            bar.update()

        yield count
