"""Tells how far a conversion is: JSON lines for programs, plain lines for a terminal; and keeps the seconds."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Writes one line when a step begins and one when it ends."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block as the step `name`; a step that raises writes no end."""
        self._write(step=name, state="started")
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)
        self._write(step=name, state="done", seconds=self.seconds[name])

    def _write(self, *, step: str, state: str, seconds: float | None = None) -> None:
        if self._stream.isatty():
            line = f"{step} …" if seconds is None else f"{step}: {seconds:.1f} s"
        else:
            event = {"step": step, "state": state, "seconds": seconds}
            line = json.dumps({key: value for key, value in event.items() if value is not None})
        print(line, file=self._stream, flush=True)
