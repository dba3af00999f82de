"""How a client reads its answer: at the rate that a body must keep up with, since it stays in memory until then."""

import math

from app.connections.limits import Limits
from app.connections.transport import PoliteTransport


class Reading:
    """A budget of time, as for a body: it runs out where the client pauses for too long, and what it reads fills it."""

    def __init__(self, transport: PoliteTransport, limits: Limits) -> None:
        self._transport, self._limits = transport, limits
        self._taken_bytes, self._until = 0, math.inf

    def is_late(self, now: float) -> bool:
        """Whether the budget has run out; `now` is the loop's clock. What the system has taken over is not ours."""
        if not self._transport.get_write_buffer_size():
            self._until = math.inf
            return False
        taken = self._transport.taken_bytes()
        got, self._taken_bytes = taken - self._taken_bytes, taken
        self._until = min(now + self._limits.seconds, self._until + got / self._limits.body_rate)
        return now > self._until
