"""The detector: bytes in, `Result` out. Checks the picture, chooses the backend, counts and times what happened."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from app import images
from app.backends import WorkerDied
from app.batching import Answer, MicroBatcher
from app.errors import BackendUnavailable, ServiceError
from app.images import Image
from app.metrics import NO_BACKEND, Metrics
from app.slot import Slot
from converter.detections import Detections

AUTO = "auto"
# Checking costs 0.4 microseconds a kilobyte and 20 for the header; handing it to a thread costs 150.
_SMALL_BYTES = 256_000

# How an image that got no detections is counted; whatever is not listed was a picture that can't be used.
_RESULTS = {
    "overloaded": "overloaded",
    "backend_unavailable": "unavailable",
    "deadline_exceeded": "expired",
    "model_failed": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a caller asks for."""

    threshold: float = 0.25  # lowest score, 0 to 1
    max_detections: int = 100
    backend: str = AUTO  # or a backend's name


@dataclass(frozen=True, slots=True)
class Result:
    """One picture's answer; timings travel with it and are observed once."""

    detections: Detections
    image: Image
    backend: str
    batch_size: int
    validate_s: float
    queue_s: float
    infer_s: float


@dataclass(frozen=True, slots=True)
class Lane:
    """A backend's slot and the queue in front of it."""

    slot: Slot
    batcher: MicroBatcher


class Detector:
    """Answers pictures over the lanes; `executor` checks large files, which are not for the event loop."""

    def __init__(
        self, lanes: Mapping[str, Lane], metrics: Metrics, *, executor: Executor, max_pixels: int, timeout_s: float
    ) -> None:
        self.lanes = lanes
        self._metrics, self._executor = metrics, executor
        self._max_pixels, self._timeout_s = max_pixels, timeout_s

    async def detect(self, data: bytes, query: Query) -> Result:
        """The objects in the JPEG file `data`; a ServiceError says why there is no answer."""
        backend = NO_BACKEND
        try:
            started = time.perf_counter()
            image = await self._check(data)
            validate_s = time.perf_counter() - started
            lane = self._route(query.backend)
            backend = lane.slot.name
            answer = await self._ask(lane, image)
        except ServiceError as error:
            self._metrics.images.labels(backend, "serving", _RESULTS.get(error.code, "rejected")).inc()
            self._metrics.failures.labels(error.code).inc()
            raise
        except asyncio.CancelledError:
            self._metrics.images.labels(backend, "serving", "gone").inc()
            raise
        return self._result(query, lane, image, validate_s, answer)

    def observe(self, result: Result, *, encode_s: float) -> None:
        """Count one picture that was answered, and observe its timings."""
        self._metrics.images.labels(result.backend, "serving", "ok").inc()
        stages = (
            ("validate", result.validate_s),
            ("queue", result.queue_s),
            ("infer", result.infer_s),
            ("encode", encode_s),
        )
        self._metrics.observe_stages(result.backend, stages)
        if result.detections.dropped:
            self._metrics.not_finite.labels(result.backend).inc(result.detections.dropped)

    async def _check(self, data: bytes) -> Image:
        if len(data) <= _SMALL_BYTES:
            return images.check(data, max_pixels=self._max_pixels)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: images.check(data, max_pixels=self._max_pixels))

    def _route(self, backend: str) -> Lane:
        if backend != AUTO:
            lane = self.lanes[backend]
            if not lane.slot.ready:
                raise lane.slot.unavailable()
            return lane
        active = next((lane for lane in self.lanes.values() if lane.slot.state == "active"), None)
        if active is None:
            raise self.lanes["native"].slot.unavailable()
        return active

    async def _ask(self, lane: Lane, image: Image) -> Answer:
        try:
            return await lane.batcher.submit(image, timeout_s=self._timeout_s)
        except WorkerDied:
            error = BackendUnavailable(
                f"the backend {lane.slot.name!r} crashed while it worked on this picture", retry_after_s=2
            )
            raise error from None

    def _result(self, query: Query, lane: Lane, image: Image, validate_s: float, answer: Answer) -> Result:
        return Result(
            detections=answer.detections.best(threshold=query.threshold, limit=query.max_detections),
            image=image,
            backend=lane.slot.name,
            batch_size=answer.batch_size,
            validate_s=validate_s,
            queue_s=answer.queue_s,
            infer_s=answer.infer_s,
        )
