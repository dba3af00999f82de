"""A server whose requests are run again by native and its copies."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from app.images import Image
from tests.support.app.comparing import ServerSetup, numbered, verdict
from tests.support.fakes import until

ALMOST_ALL = 1 - 1e-12  # every picture is drawn, but it is a sample


class Shadowed(ServerSetup):
    """Native, and copies whose pairs agree; what they run is noted in order."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, shadow_share=ALMOST_ALL)
        self.ran: list[tuple[str, int]] = []  # a backend's name and the picture's number
        self.tasks: list[asyncio.Task[None]] = []

    async def load(self, *names: str) -> None:
        await self.open(*names, verdicts={"frozen": verdict("slower"), "trt": verdict("slower")})
        for name in names:
            self.note(name)

    def note(self, name: str) -> None:
        def noted(images: Sequence[Image]) -> None:
            self.ran.extend((name, image.width - 100) for image in images)

        self.backend(name).fails = noted

    def offer(self, count: int) -> None:
        for number, image in enumerate(numbered(count)):
            self.shadow.offer(image, f"request {number}")

    def begin(self) -> None:
        """Work on what was offered, from now on."""
        self.tasks.append(asyncio.create_task(self.shadow.run()))

    async def ended(self, pairs: int) -> None:
        """Wait until so many pictures were compared or dropped."""
        await until(lambda: self.pairs() + self.dropped() == pairs)

    def pairs(self, **labels: str) -> float:
        return self.counted("compare_pairs_total", **labels)

    def dropped(self, **labels: str) -> float:
        return self.counted("compare_dropped_total", **labels)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await super().close()
