"""What the probes ask: is the server ready, and was it ever."""

import asyncio

from app.verdicts.routing import Routing
from app.verdicts.states import state_of


class Health:
    """Draining is told as not ready; `wait_for_copies`: not ready before copies have become what they can be."""

    def __init__(self, routing: Routing, *, wait_for_copies: bool) -> None:
        self._routing, self._wait_for_copies = routing, wait_for_copies
        self._native_done = self._copies_done = False
        self.draining = False
        self.ending = asyncio.Event()  # set when what has begun is all that is still answered

    def native_done(self) -> None:
        """Native has become warm."""
        self._native_done = True

    def copies_done(self) -> None:
        """All copies have become what they can be."""
        self._copies_done = True

    @property
    def started(self) -> bool:
        """Whether it has been ready once."""
        return self._copies_done if self._wait_for_copies else self._native_done

    def unready(self) -> str | None:
        """A sentence saying why no request should be sent here, or None."""
        if self.draining:
            return "the server is stopping"
        if self._wait_for_copies and not self._copies_done:
            return "the copies are being prepared"
        if self._routing.active is not None:
            return None
        states = {name: state_of(self._routing, name) for name in self._routing.lanes}
        return "no backend that may answer is warm: " + "; ".join(
            f"{name} is {each.name}, {each.reason}" for name, each in states.items()
        )
