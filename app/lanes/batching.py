"""The micro-batcher: a bounded, fair queue, greedy batches, answers to each caller; a failed batch is repaired.

Greedy: a batch is whatever waits when the model has room, so an idle server adds no wait (the habit is that of
text-embeddings-inference's queue). Fair: requests with several pictures and with one take turns, picture by picture.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

from app.backends.backend import BatchFailed, WorkerDied
from app.errors import InvalidImage, Overloaded
from app.images import Image
from app.lanes import repair
from app.lanes.apart import Apart
from app.lanes.queued import Answer, QueuedImage, refuse
from app.lanes.suspects import Suspects
from app.metrics import Metrics
from converter.model.detections import Detections


class BatchRunner(Protocol):
    """What batches are run on."""

    name: str
    max_batch: int  # most images in a batch; may change at any time
    max_in_flight: int  # most batches at once; likewise

    def run(self, images: Sequence[Image], /) -> Awaitable[list[Detections]]:
        """Run one batch; Detections in the images' order."""


class MicroBatcher:
    """Collects images into batches for a model, at most `limit` of them; `executor` looks for broken ones.

    `suspects` is what all queues share: what killed a worker here is not run among others there.
    """

    def __init__(
        self, model: BatchRunner, metrics: Metrics, *, limit: int, executor: Executor, suspects: Suspects | None = None
    ) -> None:
        self._model, self._metrics, self._limit, self._executor = model, metrics, limit, executor
        self._sizes = metrics.batch_size.labels(model.name)
        self._requests: deque[deque[QueuedImage]] = deque()  # each request's images that wait
        self._empty = 0  # of them at least so many have none, since their callers left
        self._apart = Apart(suspects or Suspects())
        self._running: set[asyncio.Task[None]] = set()
        self.batches_begun = 0  # ever
        self._pauses = 0
        self._idle = asyncio.Event()
        self._rate = 0.0  # images answered per second while busy, a moving average
        metrics.queue_depth.labels(model.name).set_function(lambda: self.depth)
        metrics.in_flight.labels(model.name).set_function(lambda: self.in_flight)

    @property
    def depth(self) -> int:
        """Images waiting; those whose callers have left are not among them."""
        return sum(map(len, self._requests)) + len(self._apart)

    @property
    def in_flight(self) -> int:
        """Batches running."""
        return len(self._running)

    @property
    def seconds_to_empty(self) -> float:
        """How long what waits now will take, by the rate of late; 1 while nobody knows."""
        return self.depth / self._rate if self._rate else 1.0

    def submit(self, images: Sequence[Image], *, admitted: bool = False) -> list[asyncio.Future[Answer]]:
        """Queue the images of one request; a future for each, to be cancelled by a caller who no longer waits.

        Overloaded at once if they do not all fit, unless another queue has `admitted` them already. A future raises
        InvalidImage, ModelFailed or CrashedTheModel if the model can't take its image; whatever the model raises
        besides BatchFailed comes through as it is.
        """
        waiting = self.depth
        if waiting + len(images) > self._limit and not admitted:
            sentence = f"{waiting} pictures are waiting already; the limit is {self._limit}"
            raise Overloaded(sentence, retry_after_s=self.seconds_to_empty)
        loop = asyncio.get_running_loop()
        request = deque(QueuedImage(image, loop.create_future()) for image in images)
        futures = [job.answer for job in request]
        for job in request:
            job.answer.add_done_callback(partial(self._forget, request, job))
            self._apart.refuse_if_known(job)
        self._requests.append(request)
        self._dispatch()
        return futures

    async def wait_until_idle(self) -> None:
        """Wait until nothing waits and nothing runs."""
        self._note_idleness()
        await self._idle.wait()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Begin no batch while the block runs; it is entered when those that run have ended."""
        self._pauses += 1
        try:
            while self._running:
                await asyncio.wait(self._running)
            yield
        finally:
            self._pauses -= 1
            self._dispatch()

    def _dispatch(self) -> None:
        while self._has_room() and (batch := self._next()):
            self.batches_begun += 1
            task = asyncio.create_task(self._answer(batch))
            self._running.add(task)
            task.add_done_callback(self._finished)
        self._note_idleness()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._apart.runs = False  # if one ran alone, this was it
        self._dispatch()

    def _note_idleness(self) -> None:
        if self._running or self.depth:
            self._idle.clear()
        else:
            self._idle.set()

    def _has_room(self) -> bool:
        return not self._pauses and not self._apart.runs and len(self._running) < self._model.max_in_flight

    def _next(self) -> list[QueuedImage]:
        """The next batch: one without suspects, or a suspect alone once nothing else runs."""
        while not self._apart:
            batch = self._take()
            innocent = self._apart.innocent(batch)
            if innocent or not batch:
                return innocent
        return [] if self._running else self._apart.next()

    def _forget(self, waiting: deque[QueuedImage], job: QueuedImage, _: object) -> None:
        """Drop an image whose caller no longer waits; it is not there any more if it was taken."""
        if job not in waiting:
            return
        waiting.remove(job)
        self._empty += not waiting
        if 2 * self._empty > len(self._requests):
            self._requests, self._empty = deque(request for request in self._requests if request), 0
            self._note_idleness()

    def _take(self) -> list[QueuedImage]:
        """The next batch: one image of each request in turn; of callers who have left, none."""
        batch: list[QueuedImage] = []
        while self._requests and len(batch) < self._model.max_batch:
            request = self._requests.popleft()
            if request:
                job = request.popleft()
                self._requests.append(request)
                if not job.answer.done():
                    batch.append(job)
        return batch

    async def _answer(self, batch: list[QueuedImage]) -> None:
        """Run a batch and answer everybody in it, whatever happens: nobody may wait for an answer that never comes."""
        started = time.perf_counter()
        self._sizes.observe(len(batch))
        try:
            detections = await self._model.run([job.image for job in batch])
            self._answered(batch, detections, started)
        except BatchFailed as error:
            try:
                await self._repair(batch, error)
            except Exception as failure:
                refuse(batch, failure)
        except WorkerDied as death:
            self._apart.died(batch, death)
        # Whatever else happens belongs to the callers.
        except Exception as error:
            refuse(batch, error)

    def _answered(self, batch: list[QueuedImage], detections: list[Detections], started: float) -> None:
        if len(detections) != len(batch):
            raise RuntimeError(f"{len(detections)} answers came to {len(batch)} images")
        self._apart.answered(batch)
        seconds = time.perf_counter() - started
        rate = self._model.max_in_flight * len(batch) / seconds
        self._rate = 0.9 * self._rate + 0.1 * rate if self._rate else rate
        for job, found in zip(batch, detections, strict=True):
            if not job.answer.done():
                job.answer.set_result(Answer(found, len(batch), started - job.arrived, seconds))

    async def _repair(self, batch: list[QueuedImage], error: BatchFailed) -> None:
        """Answer the pictures that are to blame and run the others again."""
        broken = await repair.find_culprits([job.image for job in batch], self._executor)
        culprits = [job for job, is_broken in zip(batch, broken, strict=True) if is_broken]
        innocent = [job for job, is_broken in zip(batch, broken, strict=True) if not is_broken]
        refuse(culprits, InvalidImage(repair.DAMAGED))
        if culprits:
            self._count_repair("culprits")
            await self._again(innocent)
        elif len(innocent) == 1:
            self._count_repair("given_up")
            refuse(innocent, repair.of_one(error))
        else:
            self._count_repair("halved" if error.kind == "exhausted" else "split")
            middle = (len(innocent) + 1) // 2
            await self._again(innocent[:middle])
            await self._again(innocent[middle:])

    def _count_repair(self, how: str) -> None:
        self._metrics.batch_repairs.labels(self._model.name, how).inc()

    async def _again(self, batch: list[QueuedImage]) -> None:
        batch = [job for job in batch if not job.answer.done()]
        if batch:
            await self._answer(batch)
