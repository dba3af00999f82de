"""What one backend has no answer to is tried on another one, and what kills workers is not tried for ever."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed
from app.detection.detector import Query, Result
from app.errors import BackendUnavailable, CrashedTheModel, ModelFailed, ServiceError
from app.images import Image
from tests.support.app import jpegs
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio

POISON = jpegs.photo(66, 66)
INNOCENT = [jpegs.photo(70 + number, 40) for number in range(6)]


class Trying(ServerSetup):
    """Native, and a frozen copy that answers; a worker with the poison in it dies."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, queue_limit=100)
        self.deaths = 0
        self._start = self.starter.__call__

    async def load(self) -> None:
        await self.open("native", "frozen", verdicts={"frozen": verdict("passed")})
        for name in ("native", "frozen"):
            self.routing.lanes[name].slot.pause_s = 0.001

    def watch(self, *pictures: bytes) -> None:
        """Whatever worker gets one of these dies of it, those that are started later too."""
        async def poisoned() -> None:
            seen: set[int] = set()
            while True:
                for backend in self.starter.started:
                    if id(backend) not in seen and any(i.data in pictures for batch in backend.batches for i in batch):
                        seen.add(id(backend))
                        self.deaths += 1
                        backend.die()
                await asyncio.sleep(0)
        self.task = asyncio.create_task(poisoned())

    async def detect(self, data: bytes, backend: str = "auto") -> Result | ServiceError:
        (found,) = await self.parts.detector.detect([data], Query(backend=backend))
        return found
