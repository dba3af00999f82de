"""A warm backend in use: batches in it are counted, so that it can be closed when it is free of them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from app.backends.backend import Backend, Facts, Spec, WorkerDied
from app.images import Image
from converter.model.detections import Detections


class Lease:
    """A warm backend, how many batches it has in it, and when it is free of them."""

    def __init__(self, backend: Backend, spec: Spec) -> None:
        self.backend, self.spec = backend, spec
        self.since = time.monotonic()
        self.dead = False  # a batch has found its worker dead
        self._users = 0  # batches in it
        self._idle = asyncio.Event()
        self._idle.set()

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Run one batch, counted."""
        if not self._users:
            self._idle.clear()
        self._users += 1
        version = self.spec.version
        try:
            found = await self.backend.detect(images)
            for number, each in enumerate(found):
                if each.version != version:
                    found[number] = replace(each, version=version)
            return found
        except WorkerDied:
            self.dead = True  # the slot is told a moment later, and nothing may be sent here until then
            raise
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    @property
    def facts(self) -> Facts:
        """What its worker says of its model."""
        return self.backend.facts

    @property
    def free_places(self) -> int:
        """How many more batches it may have in it; below 0 while measurements run beside them."""
        return self.facts.batches_in_flight - self._users

    async def drained(self) -> None:
        """Wait until no batch is in it."""
        await self._idle.wait()
