"""A lane: a backend's slot and the queue in front of it; and how the pictures of one request go through it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from app.backends.backend import BatchFailed, WorkerDied, WorkerGone
from app.errors import BackendUnavailable, DeadlineExceeded, ServiceError
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.queued import Answer
from app.lanes.slot import Slot


@dataclass(frozen=True, slots=True)
class Lane:
    """A backend's slot and the queue in front of it."""

    slot: Slot
    batcher: MicroBatcher


class Deadline:
    """How long a request may take, from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds until then, at least 0."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Lost:
    """A lane has no answer to an image, and another lane may have one.

    `failed`: its model failed on the image. Else its worker died, or there was none when its turn came.
    """

    error: ServiceError  # for the caller, if nobody has an answer
    failed: bool


async def submit_and_wait(
    lane: Lane, images: Sequence[Image], deadline: Deadline, *, admitted: bool = False
) -> list[Answer | ServiceError | Lost]:
    """Submit the images of one request and wait for all of them, as long as it may take.

    Overloaded if they do not all fit into the queue, unless another one has `admitted` them already.
    """
    futures = lane.batcher.submit(images, admitted=admitted)
    # Asking for the loop that runs would cost a call of the system (getpid).
    loop, expire = futures[0].get_loop(), partial(_expire, futures, lane, deadline)
    expiry = lane.batcher.deadlines.start(loop, deadline.left_s(), expire)
    outcomes = []
    try:
        for future in futures:
            outcomes.append(await _outcome(future, lane))
        return outcomes
    finally:
        lane.batcher.deadlines.stop(expiry)
        for future in futures:
            future.cancel()  # what still waits is never run; those that are done don't mind


def _expire(futures: "Sequence[asyncio.Future[Answer]]", lane: Lane, deadline: Deadline) -> None:
    """Answer in the place of a model that has not answered in time."""
    sentence = f"there was no answer within {deadline.seconds:g} s"
    for future in futures:
        if not future.done():
            future.set_exception(DeadlineExceeded(sentence, retry_after_s=lane.batcher.seconds_to_empty))


async def _outcome(future: "asyncio.Future[Answer]", lane: Lane) -> Answer | ServiceError | Lost:
    try:
        return await future
    except WorkerDied as death:
        how = "ended before" if isinstance(death, WorkerGone) else "crashed while"
        sentence = f"the backend {lane.slot.name!r} {how} it worked on this picture"
        return Lost(BackendUnavailable(sentence, retry_after_s=2), failed=False)
    except ServiceError as error:
        failed = isinstance(error.__cause__, BatchFailed)
        return Lost(error, failed=failed) if failed or isinstance(error, BackendUnavailable) else error
