"""All open connections: in the order in which they have to go, the bytes that they hold, and a look at their deadlines.

One timer serves all of them, so that a deadline costs a request an assignment and no timer of its own.
"""

import asyncio
from enum import IntEnum
from typing import Protocol

from app.connections.limits import Limits
from app.errors import Overloaded, ServiceError
from app.metrics import Metrics
from converter.machine import memory

# Small bodies may use this much more than larger ones.
_RESERVE = 1.25
_WORTH_GIVING_BACK_BYTES = 32_000_000


class Stage(IntEnum):
    """What a connection is doing; where there is no room, those named first have to go first."""

    LINGERING = 0  # answered; the rest of its request is thrown away
    FRESH = 1  # nothing has been asked yet
    IDLE = 2  # between two requests
    RECEIVING = 3  # a request is not complete yet
    ANSWERING = 4  # its request is complete: it never has to go


class Connection(Protocol):
    """One connection, seen from here."""

    stage: Stage
    deadline: float  # of the loop's clock
    held: int  # bytes of its bodies in memory

    def check(self, now: float) -> None:
        """Act if the deadline has passed."""

    def refuse(self, error: ServiceError, reason: str) -> None:
        """Answer the request that is not complete with an error, and close."""

    def abort(self) -> None:
        """Close at once."""


class Connections:
    """Keeps to `limits` where they are about all connections together; `metrics` counts those that are cut."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self._metrics = limits, metrics
        self._at: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}  # each: longest there first
        self._held = self._most_held = 0  # now; since freed memory was last given back
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Bytes of bodies in memory."""
        return self._held

    def all(self) -> list[Connection]:
        """Every connection that is open."""
        return [each for those in self._at.values() for each in those]

    def opened(self, connection: Connection) -> None:
        """Take in a new connection. If there are too many, the one that is needed least is closed for it."""
        if sum(map(len, self._at.values())) >= self.limits.connections:
            waiting = (each for stage in Stage if stage < Stage.ANSWERING for each in self._at[stage])
            victim = next(waiting, connection)
            self.count("crowded")
            self.closed(victim)
            victim.abort()
            if victim is connection:
                return
        self._at[connection.stage][connection] = None
        if self._timer is None:
            self._look_later()

    def moved(self, connection: Connection, stage: Stage) -> None:
        """Take note of what the connection does now."""
        before = self._at[connection.stage]
        if connection in before:  # not after it was closed
            del before[connection]
            self._at[stage][connection] = None
        connection.stage = stage

    def closed(self, connection: Connection) -> None:
        """Forget the connection and what it held."""
        self._at[connection.stage].pop(connection, None)
        self.release(connection)

    def hold(self, connection: Connection, size: int) -> None:
        """Count `size` more bytes of a body; where all are too many, the body that comes most slowly is refused."""
        connection.held += size
        self._held += size
        self._most_held = max(self._most_held, self._held)
        while self._held > self.limits.body_bytes and (victim := self._slowest()):
            sentence = f"the server holds {self._held:,} bytes of request bodies"
            victim.refuse(Overloaded(f"{sentence}; the limit is {self.limits.body_bytes:,}"), "bodies")
            self.release(victim)

    def release(self, connection: Connection) -> None:
        """The bodies that the connection held are not in memory any more."""
        self._held -= connection.held
        connection.held = 0

    def count(self, reason: str) -> None:
        """Count a connection that is cut."""
        self._metrics.connections_cut.labels(reason).inc()

    def _slowest(self) -> Connection | None:
        """The unfinished body nearest to its deadline; a small one only where small ones are too many."""
        least = self.limits.small_bytes if self._held <= _RESERVE * self.limits.body_bytes else 0
        unfinished = (each for each in self._at[Stage.RECEIVING] if each.held > least)
        return min(unfinished, key=lambda each: each.deadline, default=None)

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.limits.check_s, self._look)

    def _look(self) -> None:
        # A body is freed in pieces that the allocator would keep. Before the checks: what they refuse is freed later.
        freed = self._most_held - self._held > _WORTH_GIVING_BACK_BYTES
        if freed:
            self._most_held = self._held
            memory.give_back()
        now = asyncio.get_running_loop().time()
        everybody = self.all()
        for connection in everybody:
            connection.check(now)
        self._timer = None
        if everybody:
            self._look_later()
