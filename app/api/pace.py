"""How long a refusal is held back, so that clients who ask again at once don't take the cores from the answers.

A client that reads `Retry-After` asks again when there may be room. One that does not asks as fast as it is refused,
and hundreds of them would have this process do nothing else. So refusals leave at once only up to a rate of a few times
that of the answers; what comes faster waits its turn, at most a second. Callers who come at their own rate, three times
what the server can answer, are refused at twice the rate of its answers: none of them waits.
"""

import math
import time
from collections.abc import Callable

_TIMES_ANSWERS = 3.0
_LEAST_RATE = 50.0  # refusals a second, also where answers take seconds
_BURST_S = 0.25  # what was not used of the rate may be used so much later
_LONGEST_S = 1.0
_TOGETHER_S = 0.25  # each that wakes the process alone costs it twice as much as one of many
_MOST_HELD = 1000  # more than these are refused at once: each is a task in memory


class Pace:
    """A leaky bucket of refusals."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock  # seconds
        self._next = 0.0  # when the next refusal leaves
        self._held = 0

    def begin(self, answers: float) -> float:
        """Seconds by which the next refusal is held back, at so many answers a second; `end` comes when it leaves."""
        now = self._clock()
        self._held += 1
        self._next = max(self._next, now - _BURST_S)
        leaves = self._next
        if self._held > _MOST_HELD or leaves <= now:
            leaves = now
        else:
            last = now + _LONGEST_S
            leaves = min(math.ceil(leaves / _TOGETHER_S), math.floor(last / _TOGETHER_S)) * _TOGETHER_S
        if self._next < now + _LONGEST_S:
            self._next += 1 / max(_LEAST_RATE, _TIMES_ANSWERS * answers)
        return max(0.0, leaves - now)

    def end(self) -> None:
        """A refusal has left."""
        self._held -= 1
