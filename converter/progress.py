"""Tells how far a conversion is: JSON lines for programs, a bar on a terminal; and keeps the seconds of each step."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, TextIO

from converter import stored

State = Literal["started", "running", "done"]
STARTED: Final = "started"
RUNNING: Final = "running"
DONE: Final = "done"
DETECT: Final = "detect "  # before the name of a model that is evaluated
_IN_WORDS = {
    "check": "looking at this machine",
    "wait": "waiting for another conversion to the same place",
    "native": "measuring the model as it came",
    "load": "loading the model",
    "convert": "converting the graph",
    "build": "building engines",
    "save": "saving",
    "verify": "running the copy",
    "yardstick": "measuring a frozen copy beside it",
    "publish": "publishing the copy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step that began, moved or ended."""

    step: str
    state: State
    number: int | None = None  # which step it is, from 1, and of how many
    of: int | None = None
    part: int | None = None  # how many parts of the step are done, and of how many
    parts: int | None = None
    seconds: float | None = None  # once it is done

    def to_json(self) -> str:
        """One line of JSON; `parse` reads it."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None})


def parse(line: str) -> Event | None:
    """The event that `line` is; None for any other line: TensorFlow's may begin as they like."""
    if not line.startswith('{"step"'):
        return None
    try:
        return stored.from_json(Event, line, "the event")
    except ValueError:
        return None


def in_words(step: str) -> str:
    """What a conversion does in the step: "building engines"."""
    if step.startswith(DETECT):
        return f"running {step.removeprefix(DETECT)} on the pictures"
    return _IN_WORDS.get(step, "starting")


class Progress:
    """Knows the steps of a conversion and tells each to `show`; lines that are no event go to `pass_on`.

    By default both are lines on standard error.
    """

    def __init__(self, show: Callable[[Event], None] | None = None, pass_on: Callable[[str], None] | None = None):
        self._show = show or (lambda event: _print(event.to_json(), sys.stderr))
        self._pass_on = pass_on or (lambda line: _print(line, sys.stderr))
        self._plan: Sequence[str] = ()
        self.seconds: dict[str, float] = {}
        self.step_now = ""

    def plan(self, steps: Sequence[str]) -> None:
        """Say which steps there will be, in order."""
        self._plan = steps

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block as the step `name`; a step that raises writes no end."""
        self.tell(Event(step=name, state=STARTED))
        start = time.monotonic()
        yield
        self.tell(Event(step=name, state=DONE, seconds=round(time.monotonic() - start, 2)))

    def part(self, done: int, parts: int) -> None:
        """Say that `done` of `parts` of the present step are done."""
        self.tell(Event(step=self.step_now, state=RUNNING, part=done, parts=parts))

    def relay(self, line: str) -> None:
        """Take a line that a child of this conversion wrote: its steps are steps of this one."""
        event = parse(line)
        if event is None:
            self._pass_on(line)
        else:
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Show an event, with its place in the plan."""
        self.step_now = event.step
        if event.seconds is not None:
            self.seconds[event.step] = event.seconds
        if event.step in self._plan:
            event = replace(event, number=self._plan.index(event.step) + 1, of=len(self._plan))
        self._show(event)


def silent() -> Progress:
    """Progress that nobody sees."""
    return Progress(show=lambda event: None, pass_on=lambda line: None)


def _print(line: str, stream: TextIO) -> None:
    print(line, file=stream, flush=True)
