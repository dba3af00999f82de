"""An image in a queue, its caller's future, and what comes to that."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.images import Image
from converter.model.detections import Detections


@dataclass(frozen=True, slots=True)
class Answer:
    """One image's detections and how they came about."""

    detections: Detections
    batch_size: int
    queue_s: float  # from submit to the hand-over of the batch
    infer_s: float  # from the hand-over to the outputs


@dataclass(slots=True, eq=False)
class QueuedImage:
    """An image in the queue and the caller's future."""

    image: Image
    answer: asyncio.Future[Answer]
    arrived: float = field(default_factory=time.perf_counter)


def refuse(batch: Sequence[QueuedImage], error: Exception) -> None:
    """Answer with the error whoever still waits."""
    for job in batch:
        if not job.answer.done():
            job.answer.set_exception(error)
