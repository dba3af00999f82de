"""Small real stand-ins for the parts that cost seconds: a backend without a model, and how to start one."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.backends.backend import BatchFailed, Facts, Spec, WorkerDied
from app.images import Image
from converter.description import API
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES, Detections

FACTS = Facts(
    batch_sizes=(1, 8),
    batches_in_flight=2,
    padded=False,
    device="CPU",
    load_seconds=0.1,
    warm_seconds=0.2,
    signature={"input": "image_bytes"},
    tensors={
        "signature": "serving_default",
        "inputs": {"image_bytes": ["string", [None]]},
        "outputs": {
            "detection_boxes": ["float32", [None, 2, 4]],
            "detection_classes": ["float32", [None, 2]],
            "detection_scores": ["float32", [None, 2]],
            "num_detections": ["int32", [None]],
        },
        "gives": ["detection_boxes", "detection_classes", "detection_scores", "num_detections"],
        "picture": "image_bytes",
        "roles": {name: name for name in (BOXES, CLASSES, SCORES, COUNT)},
        "convention": API,
        "unbatched": False,
        "shared": [],
    },
)


def found(image: Image) -> Detections:
    """One box over the whole image, of the class whose id is the image's width; as it came it has a second, of none."""
    corners = np.array([[0, 0, image.width, image.height]], np.float32)
    raw = {
        BOXES: np.array([[0, 0, 1, 1], [0, 0, 0, np.nan]], np.float32),
        CLASSES: np.array([image.width, 0], np.float32),
        SCORES: np.array([0.9, 0.1], np.float32),
        COUNT: np.array(2, np.int32),
    }
    scores, classes = np.array([0.9], np.float32), np.array([image.width], np.int32)
    return Detections(corners, scores, classes, raw=raw if image.raw else None)


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else run until `condition` holds, which nothing signals; TimeoutError if it never does."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # an Event would need a change of what is waited for
            await asyncio.sleep(0.001)


class FakeBackend:
    """Answers with `answer`; a test can hold its answers back, make it fail, or let it die."""

    def __init__(self, spec: Spec, facts: Facts = FACTS) -> None:
        self.name, self.spec, self.facts = spec.name, spec, facts
        self.batches: list[list[Image]] = []
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.fails: Callable[[Sequence[Image]], BatchFailed | None] = lambda images: None
        self.answer: Callable[[Image], Detections] = found
        self.closing: Callable[[], None] = lambda: None
        self.closed = False
        self._death: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.settling = asyncio.Event()
        self.settling.set()

    @property
    def pid(self) -> int:
        return os.getpid()

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.batches.append(list(images))
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self.open_gate.wait())
        await asyncio.wait({waiting, self._death}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._death.done():
            raise self._death.result()
        if failure := self.fails(images):
            raise failure
        return [self.answer(image) for image in images]

    def die(self, how: str = "its process ended by SIGKILL") -> None:
        self._death.set_result(WorkerDied(how))

    async def settled(self) -> None:
        await self.settling.wait()

    async def died(self) -> WorkerDied:
        death: WorkerDied = await asyncio.shield(self._death)
        return death

    async def close(self) -> None:
        self.closing()
        self.closed = True
        if not self._death.done():
            self._death.set_result(WorkerDied("it was closed"))


class FakeStarter:
    """A `Starter` that keeps what it was asked for and what it started; `failures` are raised first, one per start.

    A test can hold its starts back, as if the models were still warming up.
    """

    def __init__(self, *failures: Exception, facts: Facts = FACTS) -> None:
        self.failures, self.facts = list(failures), facts
        self.asked: list[Spec] = []
        self.started: list[FakeBackend] = []
        self.fails: Callable[[Sequence[Image]], BatchFailed | None] = lambda images: None
        self.open_gate = asyncio.Event()
        self.open_gate.set()

    async def __call__(self, spec: Spec) -> FakeBackend:
        self.asked.append(spec)
        await self.open_gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.started.append(FakeBackend(spec, self.facts))
        self.started[-1].fails = self.fails
        return self.started[-1]
