"""The batches that run now, and what they take: a place each, and their pixels while they are decoded."""

import asyncio
from collections.abc import Iterable, Sequence

from app.lanes.queued import QueuedImage

Task = asyncio.Task[None]


class Running:
    """By the tasks that wait for them; `pixels` and `images` of all together."""

    def __init__(self) -> None:
        self.pixels = self.images = 0
        self.unanswered = 0  # batches whose callers have no answer yet
        self._batches: dict[Task | None, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def tasks(self) -> Iterable[Task]:
        """Those that wait for a batch to end."""
        return [task for task in self._batches if task]

    async def others(self) -> None:
        """Wait until all that run now have ended, besides the batch of the task that asks."""
        if others := {*self.tasks} - {asyncio.current_task()}:
            await asyncio.wait(others)

    def add(self, task: Task, batch: Sequence[QueuedImage]) -> None:
        """A batch has begun."""
        pixels = sum([job.image.pixels for job in batch])
        self._batches[task] = pixels, len(batch)
        self.pixels += pixels
        self.images += len(batch)
        self.unanswered += 1

    def remove(self, task: Task | None) -> bool:
        """The batch has ended; False if that was known."""
        if task not in self._batches:
            return False
        pixels, images = self._batches.pop(task)
        self.pixels -= pixels
        self.images -= images
        return True
