"""A lane: a backend's slot and the queue in front of it; and how the pictures of one request go through it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.backends.backend import WorkerDied
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


async def submit_and_wait(
    lane: Lane, images: Sequence[Image], deadline: Deadline
) -> list[Answer | ServiceError | None]:
    """Submit the images of one request and wait for all of them, as long as it may take.

    None for an image whose worker died with it. Overloaded if they do not all fit into the queue.
    """
    futures = lane.batcher.submit(images)
    try:
        await asyncio.wait(futures, timeout=deadline.left_s())
    finally:
        for future in futures:
            future.cancel()  # what still waits is never run; those that are done don't mind
    return [_outcome(future, lane, deadline) for future in futures]


def crashed(lane: Lane) -> ServiceError:
    """What an image is answered whose worker died with it."""
    sentence = f"the backend {lane.slot.name!r} crashed while it worked on this picture"
    return BackendUnavailable(sentence, retry_after_s=2)


def _outcome(future: "asyncio.Future[Answer]", lane: Lane, deadline: Deadline) -> Answer | ServiceError | None:
    try:
        return future.result()
    except asyncio.CancelledError:
        retry_after_s = lane.batcher.seconds_to_empty
        return DeadlineExceeded(f"there was no answer within {deadline.seconds:g} s", retry_after_s=retry_after_s)
    except WorkerDied:
        return None
    except ServiceError as error:
        return error
