"""An image in a queue, its caller's future, and what comes to that."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.images import Image
from converter.model.detections import Detections


class Answer(NamedTuple):
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


def answer(batch: Sequence[QueuedImage], detections: Sequence[Detections], *, begun: float, seconds: float) -> None:
    """Answer whoever still waits: the batch was begun at that time, and took so long."""
    for job, found in zip(batch, detections, strict=True):
        if not job.answer.done():
            job.answer.set_result(Answer(found, len(batch), begun - job.arrived, seconds))


def refuse(batch: Sequence[QueuedImage], error: Exception) -> None:
    """Answer with the error whoever still waits."""
    for job in batch:
        if not job.answer.done():
            job.answer.set_exception(error)
