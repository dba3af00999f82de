"""The suspects of one queue: they wait apart from it, and are run with nothing beside them in their worker."""

from collections import deque
from collections.abc import Sequence

from app.backends.backend import WorkerDied
from app.errors import CrashedTheModel
from app.lanes.queued import QueuedImage, refuse
from app.lanes.suspects import MOST_DEATHS, Suspects


class Apart:
    """Sorts suspects out of batches; what is held against them is shared by all queues."""

    def __init__(self, suspects: Suspects) -> None:
        self._suspects = suspects
        self._waiting: deque[QueuedImage] = deque()
        self.runs = False  # one of them runs, or waits for its worker; the next one waits for it

    def __len__(self) -> int:
        """How many wait; those whose callers have left are not among them."""
        return sum(not job.answer.done() for job in self._waiting) if self._waiting else 0

    def innocent(self, batch: Sequence[QueuedImage]) -> list[QueuedImage]:
        """Those of a batch that may be run together; the others wait here from now on, or are refused."""
        if self._suspects.none:
            return list(batch)
        return [job for job in batch if not self._takes(job)]

    def next(self) -> list[QueuedImage]:
        """The next one, which runs from now on; none while one runs, or if none waits."""
        while self._waiting and not self.runs:
            job = self._waiting.popleft()
            if not job.answer.done():
                self.runs = True
                return [job]
        return []

    def refuse_if_known(self, job: QueuedImage) -> bool:
        """Refuse an image that has killed too many workers; whether it is one."""
        known = self._suspects.deaths(job.image) >= MOST_DEATHS
        if known:
            sentence = f"{MOST_DEATHS} workers crashed while they worked on this picture; it is not tried again"
            refuse([job], CrashedTheModel(sentence))
        return known

    def died(self, batch: Sequence[QueuedImage], death: WorkerDied) -> None:
        """The worker died with this batch in it."""
        self._suspects.note([job.image for job in batch], death)
        refuse([job for job in batch if not self.refuse_if_known(job)], death)

    def answered(self, batch: Sequence[QueuedImage]) -> None:
        """Nothing is held against these any longer."""
        if not self._suspects.none:
            self._suspects.clear([job.image for job in batch])

    def _takes(self, job: QueuedImage) -> bool:
        if not self._suspects.deaths(job.image):
            return False
        if not self.refuse_if_known(job):
            self._waiting.append(job)
            job.answer.add_done_callback(lambda _: self._waiting.remove(job) if job in self._waiting else None)
        return True
