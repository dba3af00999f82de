"""A gate over fake backends, and what it asked them for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from app.backends.backend import Backend, Facts, Spec
from app.images import Image
from app.lanes.quiet import Quiet
from app.rules import GateRules
from app.verdicts.gate import Gate
from app.verdicts.gate_pictures import GatePicture
from app.verdicts.verdict import SizeVerdict
from converter.model.detections import Detections
from converter.sizes import SizeName
from tests.support.app.comparing import FOLDER, Clock, boxes, numbered
from tests.support.fakes import FACTS, FakeBackend

QUICK = GateRules(seconds=1e-9)


def sourced(images: Sequence[Image]) -> list[GatePicture]:
    """Pictures for a gate, each of a photo of its own."""
    return [GatePicture(image, str(number)) for number, image in enumerate(images)]


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


class TimedBackend(FakeBackend):
    """Takes as long as it is told, by a clock of the test's."""

    def __init__(self, spec: Spec, facts: Facts, clock: Clock) -> None:
        super().__init__(spec, facts)
        self.running, self._clock = 0, clock
        self.slower: Callable[[Sequence[Image]], float] = lambda batch: 0.0  # by so many seconds

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.running += 1
        try:
            await asyncio.sleep(0)
            self._clock.take(self.slower(images))
            return await super().detect(images)
        finally:
            self.running -= 1


@dataclass
class GateSetup:
    """A gate, and what it asked for, in order."""

    rules: GateRules = QUICK
    pictures: int = 20
    most_pixels: int = 1 << 40
    clock: Clock = field(default_factory=Clock)
    events: list[tuple[str, int]] = field(default_factory=list)  # a backend's name and the size of its batch

    def backend(
        self,
        name: str,
        *,
        seconds: float = 0,
        facts: Facts = FACTS,
        count: int = 3,
        slower: Callable[[Sequence[Image]], float] = lambda batch: 0.0,
    ) -> TimedBackend:
        """One that finds so many boxes in each picture and takes so long for it."""
        made = TimedBackend(Spec(name, FOLDER, max_batch=8), facts, self.clock)
        made.answer = self.clock.work(seconds, lambda image: boxes(count))
        made.slower = slower

        def noted(images: Sequence[Image]) -> None:
            self.events.append((name, len(images)))

        made.fails = noted
        return made

    def gate(self, more: Sequence[Image] = ()) -> Gate:
        async def pictures(size: SizeName) -> Sequence[GatePicture]:
            return sourced([*numbered(self.pictures), *more]) if size == "small" else []

        quiet = NotedQuiet(self.events)
        return Gate(self.rules, pictures=pictures, quiet=quiet, clock=self.clock, most_pixels=self.most_pixels)

    async def judge(self, *backends: Backend, more: Sequence[Image] = ()) -> SizeVerdict:
        """The verdict on small pictures, of which there are some."""
        found = await self.gate(more).judge(*backends)
        assert found
        return found

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
