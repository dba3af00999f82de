"""A native and a frozen backend that are asked side by side."""

from collections.abc import Sequence
from pathlib import Path

from app.detection.detector import Query
from app.detection.side_by_side import SideBySide, SideBySideResult
from app.errors import ServiceError
from tests.support.app.comparing import CAT, DOG, ServerSetup, verdict
from tests.support.converter.rows import answer
from tests.support.fakes import FakeBackend


class SideBySideSetup(ServerSetup):
    """Native finds a dog and a cat, frozen the dog alone."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, queue_limit=4)
        self.both = SideBySide(self.parts.detector, self.routing, self.live_pairs)

    async def load(self) -> None:
        await self.open("native", "frozen", verdicts={"frozen": verdict("slower")})
        self.native.answer = lambda image: answer(DOG, CAT)
        self.frozen.answer = lambda image: answer(DOG)

    @property
    def native(self) -> FakeBackend:
        return self.backend("native")

    @property
    def frozen(self) -> FakeBackend:
        return self.backend("frozen")

    async def ask(self, pictures: Sequence[bytes | ServiceError], query: Query | None = None) -> list[SideBySideResult]:
        """Both answers to each picture; what is none is raised."""
        found = await self.both.detect(pictures, query or Query(), "abc")
        for each in found:
            if isinstance(each, ServiceError):
                raise each
        return [each for each in found if isinstance(each, SideBySideResult)]
