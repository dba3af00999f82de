"""A gate over fake backends, and what it asked them for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from app.backends.backend import Facts, Spec
from app.images import Image
from app.lanes.quiet import Quiet
from app.rules import GateRules
from app.verdicts.gate import Gate
from tests.support.app.comparing import FOLDER, Clock, boxes, numbered
from tests.support.fakes import FACTS, FakeBackend

QUICK = GateRules(seconds=1e-9)


class NotedQuiet(Quiet):
    """Notes when a quiet moment begins and ends."""

    def __init__(self, events: list[tuple[str, int]]) -> None:
        super().__init__([], measuring=asyncio.Lock())
        self._events = events

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        self._events.append(("quiet", 0))
        yield
        self._events.append(("over", 0))


@dataclass
class GateSetup:
    """A gate, and what it asked for, in order."""

    rules: GateRules = QUICK
    pictures: int = 20
    clock: Clock = field(default_factory=Clock)
    events: list[tuple[str, int]] = field(default_factory=list)  # a backend's name and the size of its batch

    def backend(self, name: str, *, seconds: float = 0, facts: Facts = FACTS, count: int = 2) -> FakeBackend:
        """One that finds so many boxes in each picture and takes so long for it."""
        made = FakeBackend(Spec(name, FOLDER, max_batch=8), facts)
        made.answer = self.clock.work(seconds, lambda image: boxes(count))

        def noted(images: Sequence[Image]) -> None:
            self.events.append((name, len(images)))

        made.fails = noted
        return made

    def gate(self) -> Gate:
        async def pictures() -> Sequence[Image]:
            return numbered(self.pictures)

        return Gate(self.rules, pictures=pictures, quiet=NotedQuiet(self.events), clock=self.clock)

    def moments(self) -> list[list[tuple[str, int]]]:
        """What was run in each quiet moment; everything must have been."""
        found: list[list[tuple[str, int]]] = []
        for event in self.events:
            if event[0] == "quiet":
                found.append([])
            elif event[0] != "over":
                assert ("quiet", 0) in self.events[: self.events.index(event)]
                found[-1].append(event)
        for before, after in pairwise(self.events):
            assert before[0] != "over" or after[0] == "quiet", f"{after} ran outside"
        return found
