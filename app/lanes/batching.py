"""The micro-batcher: a bounded, fair queue, greedy batches, answers to each caller; a failed batch is repaired.

Greedy: a batch is what waits when the model has room, so an idle server adds no wait; where a batch costs as much as
its pictures alone, it is no more than its share of what is here. Fair: requests take turns, picture by picture.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from app.alarms import Alarms
from app.backends.backend import BatchFailed, WorkerDied
from app.errors import BackendUnavailable, InvalidImage, ModelFailed, Overloaded
from app.images import Image
from app.lanes import repair
from app.lanes.apart import Apart
from app.lanes.queued import Answer, QueuedImage, answer, refuse
from app.lanes.runner import BatchRunner, Bounds, Run
from app.lanes.running import Running
from app.lanes.shares import Shares, Spent
from app.lanes.suspects import Suspects
from app.lanes.waiting import Waiting
from app.metrics import Metrics
from converter.model.detections import Detections

log = logging.getLogger(__name__)
ALL = 1 << 30  # more batches than ever run at once
QUEUED_PER_RUNNING = 16  # so many times the pixels in flight may wait: 64 photos of a phone on two cores


class MicroBatcher:
    """Collects images into batches for a model, within `bounds`; `executor` looks for broken ones.

    Batches that run have at most `bounds.pixels` together, or one image each: what decoding takes goes with the pixels.
    `suspects` is what all queues share: what killed a worker here is not run among others there.
    """

    def __init__(
        self,
        model: BatchRunner,
        metrics: Metrics,
        *,
        bounds: Bounds,
        executor: Executor,
        suspects: Suspects | None = None,
    ) -> None:
        self._model, self._metrics, self._executor = model, metrics, executor
        self._max_pixels, self._running = bounds.pixels, Running()
        self._sizes = metrics.batch_size.labels(model.name)
        queued = QUEUED_PER_RUNNING * bounds.pixels
        self._waiting = Waiting(limit=bounds.images, max_pixels=queued, emptied=self._note_idleness)
        self._apart = Apart(suspects or Suspects())
        self.batches_begun, self.deadlines = 0, Alarms()  # ever; those of requests that wait here
        self._shares = Shares()
        self._held, self._rate = 0, 0.0  # places of running batches; images per second
        self._idle, self._is_idle = asyncio.Event(), False
        metrics.queue_depth.labels(model.name).set_function(lambda: self.depth)
        metrics.in_flight.labels(model.name).set_function(lambda: self.in_flight)

    @property
    def depth(self) -> int:
        """Images waiting; those whose callers have left are not among them."""
        return len(self._waiting) + len(self._apart)

    @property
    def in_flight(self) -> int:
        """Batches running."""
        return len(self._running)

    @property
    def seconds_to_empty(self) -> float:
        """How long what waits now will take, by the rate of late; 1 while nobody knows."""
        return self.depth / self._rate if self._rate else 1.0

    @property
    def rate(self) -> float:
        """Images answered per second while busy, a moving average; 0 before the first."""
        return self._rate

    @property
    def full(self) -> bool:
        """Whether one more image would be refused now."""
        return self._waiting.full(1 + len(self._apart)) is not None

    def overload(self, images: int = 1) -> Overloaded | None:
        """The error with which so many images would be refused now, or None if they fit by their number."""
        return self._overloaded(self._waiting.full(images + len(self._apart)))

    def submit(self, images: Sequence[Image], *, admitted: bool = False) -> list[asyncio.Future[Answer]]:
        """Queue the images of one request; a future for each, to be cancelled by a caller who no longer waits.

        Overloaded at once if they do not all fit, unless another queue has `admitted` them already; by their pixels,
        they fit if nothing else waits. A future raises InvalidImage, ModelFailed or CrashedTheModel if the model can't
        take its image; whatever the model raises besides BatchFailed comes through as it is.
        """
        if not admitted:
            self._admit(images)
        jobs = self._waiting.add(images)
        for job in jobs:
            self._apart.refuse_if_known(job)
        self._dispatch()
        return [job.answer for job in jobs]

    def _admit(self, images: Sequence[Image]) -> None:
        full = self._waiting.full(len(images) + len(self._apart)) or self._waiting.full_of_pixels(images)
        if overload := full and self._overloaded(full):
            raise overload

    def _overloaded(self, sentence: str | None) -> Overloaded | None:
        return Overloaded(sentence, retry_after_s=self.seconds_to_empty) if sentence else None

    async def wait_until_idle(self) -> None:
        """Wait until nothing waits and nothing runs."""
        self._note_idleness()
        await self._idle.wait()

    @asynccontextmanager
    async def paused(self, *, places: int = ALL) -> AsyncIterator[None]:
        """Begin no batch while the block runs, or run so many fewer at once; entered when no more than those run."""
        self._held += places
        try:
            while self._running and len(self._running) > self._model.max_in_flight - self._held:
                await asyncio.wait(self._running.tasks, return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            self._held -= places
            self._dispatch()

    def _dispatch(self) -> None:
        while self._begin_suspect() or self._begin_batch():
            pass
        self._note_idleness()

    def _begin_batch(self) -> bool:
        has_room = len(self._running) - self._apart.runs < self._model.max_in_flight - self._held
        batch = self._take() if has_room else []
        if innocent := self._apart.innocent(batch):  # its suspects wait apart from now on
            self._begin(innocent, self._answer(innocent, self._model.run, is_whole=True))
        return bool(batch)

    def _begin_suspect(self) -> bool:
        suspect = self._apart.next() if self._model.max_in_flight > self._held else []
        if suspect:
            self._begin(suspect, self._answer_alone(suspect, self._model.alone()))
        return bool(suspect)

    def _begin(self, batch: list[QueuedImage], answering: Coroutine[Any, Any, None]) -> None:
        self.batches_begun += 1
        task = batch[0].answer.get_loop().create_task(answering)
        self._running.add(task, batch)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.unanswered -= 1
        self._leave_place(task)
        self._note_idleness()

    def _leave_place(self, task: "asyncio.Task[None] | None") -> None:
        if self._running.remove(task):
            self._dispatch()

    def _note_idleness(self) -> None:
        idle = not (self._running.unanswered or self.depth)
        if idle is not self._is_idle:
            self._is_idle = idle
            (self._idle.set if idle else self._idle.clear)()

    def _take(self) -> list[QueuedImage]:
        """The next batch; empty if nothing waits, or nothing that may be decoded beside what runs."""
        left, most = self._max_pixels - self._running.pixels, self._model.max_batch
        if self._model.shares:  # a full batch would leave nothing for the others that could run beside it
            most = min(most, math.ceil((len(self._waiting) + self._running.images) / self._model.max_in_flight))
        return self._waiting.take(most, pixels=left, busy=bool(self._running))

    async def _answer_alone(self, suspect: list[QueuedImage], alone: AbstractAsyncContextManager[Run]) -> None:
        if self._model.max_in_flight < 1:  # one that is repaired comes back to this worker: there is no other
            await self._running.others()
        async with alone as run:
            await self._answer(suspect, run)
        self._apart.runs = False

    async def _answer(self, batch: list[QueuedImage], run: Run, *, is_whole: bool = False) -> None:
        """Run a batch and answer everybody in it, whatever happens: nobody may wait for an answer that never comes.

        The next batch is sent before the answers are given: writing them takes time in which the model would rest.
        `is_whole`: it is no part of one that is repaired, which keeps its place.
        """
        started = time.perf_counter()
        self._sizes.observe(len(batch))
        try:
            detections, spent = await self._shares.timed(run([job.image for job in batch]))
            self._answered(batch, detections, spent)
            if is_whole:
                self._leave_place(asyncio.current_task())
                await asyncio.sleep(0)
            answer(batch, detections, begun=started, seconds=spent.seconds)
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

    def _answered(self, batch: list[QueuedImage], detections: list[Detections], spent: Spent) -> None:
        self._metrics.observe_batch(self._model.name, len(batch), seconds=spent.seconds, share_s=spent.share_s)
        if len(detections) != len(batch):
            raise RuntimeError(f"{len(detections)} answers came to {len(batch)} images")
        self._apart.answered(batch)
        rate = max(1, self._model.max_in_flight) * len(batch) / spent.seconds  # 0: this one runs alone
        self._rate = 0.9 * self._rate + 0.1 * rate if self._rate else rate

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
            self._give_up(innocent, error)
        else:
            self._count_repair("halved" if error.kind == "exhausted" else "split")
            middle = (len(innocent) + 1) // 2
            await self._again(innocent[:middle])
            await self._again(innocent[middle:])

    def _give_up(self, innocent: list[QueuedImage], error: BatchFailed) -> None:
        self._count_repair("given_up")
        why = repair.of_one(error)
        if isinstance(why, BackendUnavailable | ModelFailed):
            log.warning("model failed backend=%s kind=%s reason=%r", self._model.name, error.kind, str(error))
        refuse(innocent, why)

    def _count_repair(self, how: str) -> None:
        self._metrics.batch_repairs.labels(self._model.name, how).inc()

    async def _again(self, batch: list[QueuedImage]) -> None:
        if batch := [job for job in batch if not job.answer.done()]:
            await self._answer(batch, self._model.run)
