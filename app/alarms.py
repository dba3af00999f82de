"""Deadlines of which hardly any comes, with one timer for all: a timer for each costs as much as a small request."""

import asyncio
import itertools
from collections.abc import Callable


class Alarms:
    """What is to be done when a time has come, unless it is stopped before."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._set: dict[int, tuple[float, Callable[[], None]]] = {}  # by number: when, by the loop's clock, and what
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0  # when the timer goes off

    def start(self, loop: asyncio.AbstractEventLoop, seconds: float, act: Callable[[], None]) -> int:
        """Do `act` in so many seconds; the number by which it is stopped."""
        number, at = next(self._numbers), loop.time() + seconds
        self._set[number] = at, act
        if self._timer is None or at < self._at:
            self._wait(loop, at)
        return number

    def stop(self, number: int) -> None:
        """Don't do it; nothing happens if it has been done."""
        self._set.pop(number, None)

    def _wait(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at, self._timer = at, loop.call_at(at, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now = None, loop.time()
        due = [number for number, (at, _) in self._set.items() if at <= now]
        for number in due:
            if alarm := self._set.pop(number, None):  # unless one before it has stopped it
                alarm[1]()
        if self._set and self._timer is None:
            self._wait(loop, min(at for at, _ in self._set.values()))
