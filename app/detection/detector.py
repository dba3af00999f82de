"""The detector: JPEG files in, results out. Checks pictures, chooses the backend, counts and times what happened."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from app.choices import AUTO
from app.detection.attempts import Attempts, Outcome
from app.errors import ServiceError
from app.images import Image, Intake
from app.lanes.lane import Deadline
from app.metrics import NO_BACKEND, Metrics
from converter.model.detections import Detections
from converter.sizes import size_class
from converter.tolerance import Tolerance

# Checking costs 0.4 microseconds a kilobyte and 20 for the header; handing it to a thread costs 150.
_SMALL_BYTES = 256_000

# How an image that got no detections is counted; whatever is not listed was a picture that can't be used.
_RESULTS = {
    "overloaded": "overloaded",
    "backend_unavailable": "unavailable",
    "deadline_exceeded": "expired",
    "model_failed": "failed",
    "crashed_the_model": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a caller asks for."""

    threshold: float = Tolerance().threshold  # lowest score, 0 to 1
    max_detections: int = 100
    classes: frozenset[int] | None = None  # None: all
    backend: str = AUTO  # or a backend's name
    timeout_s: float | None = None  # the server's own limit holds too
    upright: bool | None = None  # whether the model is shown the picture as people see it; None: as the server says
    raw: bool = False  # whether all outputs of the model are wanted too, as it gives them


class Result(NamedTuple):
    """One picture's answer; timings travel with it and are observed once."""

    detections: Detections  # those that were asked for
    found: Detections  # all that the model found
    image: Image
    backend: str
    batch_size: int
    validate_s: float
    queue_s: float
    infer_s: float


class Detector:
    """Answers pictures by `attempts`; `executor` checks large files, which are not for the event loop."""

    def __init__(
        self,
        attempts: Attempts,
        metrics: Metrics,
        *,
        executor: Executor,
        intake: Intake,
        timeout_s: float,
    ) -> None:
        self._attempts, self._metrics, self._executor = attempts, metrics, executor
        self._intake, self._timeout_s = intake, timeout_s

    async def detect(self, pictures: Sequence[bytes | ServiceError], query: Query) -> list[Result | ServiceError]:
        """The objects in each JPEG file, or why there are none, in order.

        A picture that is an error already is answered with it. What stops all of them, as a full queue does, is raised.
        """
        started = time.perf_counter()
        checked, images = [], []
        for picture in pictures:
            checked.append(item := await self._check(picture, query.upright))
            if isinstance(item, Image):
                images.append(item)
            else:
                self.failed(NO_BACKEND, [item])
        validate_s = (time.perf_counter() - started) / len(pictures)
        if query.raw:
            images = [replace(image, raw=True) for image in images]
        outcomes = iter(await self._serve(images, query) if images else [])
        return [
            item if isinstance(item, ServiceError) else self._result(item, next(outcomes), query, validate_s)
            for item in checked
        ]

    def observe(self, result: Result, *, encode_s: float) -> None:
        """Count one picture that was answered, and observe its timings."""
        self._metrics.count_image(result.backend, "ok")
        self._metrics.count_size(size_class(result.image.pixels))
        stages = (
            ("validate", result.validate_s),
            ("queue", result.queue_s),
            ("infer", result.infer_s),
            ("encode", encode_s),
        )
        self._metrics.observe_stages(result.backend, stages)
        if result.found.decode_s is not None:
            self._metrics.observe_stages(result.backend, [("decode", result.found.decode_s)])
        if result.detections.dropped:
            self._metrics.not_finite.labels(result.backend).inc(result.detections.dropped)

    def failed(self, backend: str, errors: Sequence[ServiceError]) -> None:
        """Count pictures that got no detections."""
        for error in errors:
            self._metrics.count_image(backend, _RESULTS.get(error.code, "rejected"))
            self._metrics.failures.labels(error.code).inc()

    async def _check(self, picture: bytes | ServiceError, upright: bool | None) -> Image | ServiceError:
        if isinstance(picture, ServiceError):
            return picture
        try:
            if len(picture) <= _SMALL_BYTES:
                return self._intake.check(picture, upright=upright)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, partial(self._intake.check, picture, upright=upright))
        except ServiceError as error:
            return error

    async def _serve(self, images: Sequence[Image], query: Query) -> Sequence[Outcome]:
        """Have the images answered; counts those that are not."""
        backend = NO_BACKEND
        try:
            lanes = self._attempts.route(query.backend, images)
            backend = lanes[0].slot.name
            deadline = Deadline(min(self._timeout_s, query.timeout_s or self._timeout_s))
            outcomes = await self._attempts.answer(lanes, images, deadline, elsewhere=query.backend == AUTO)
        except ServiceError as error:
            self.failed(backend, [error] * len(images))
            raise
        except asyncio.CancelledError:
            self._metrics.images.labels(backend, "serving", "gone").inc(len(images))
            raise
        for outcome in outcomes:
            if isinstance(outcome.answer, ServiceError):
                self.failed(outcome.backend, [outcome.answer])
        return outcomes

    def _result(self, image: Image, outcome: Outcome, query: Query, validate_s: float) -> Result | ServiceError:
        answer = outcome.answer
        if isinstance(answer, ServiceError):
            return answer
        return Result(
            detections=answer.detections.best(
                threshold=query.threshold, limit=query.max_detections, classes=query.classes
            ),
            found=answer.detections,
            image=image,
            backend=outcome.backend,
            batch_size=answer.batch_size,
            validate_s=validate_s,
            queue_s=answer.queue_s,
            infer_s=answer.infer_s,
        )
