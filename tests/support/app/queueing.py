"""Pictures in a queue in front of a backend, for the tests of batching."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.queued import Answer
from app.lanes.runner import Run
from converter.model.detections import Detections
from tests.support.fakes import FakeBackend

Make = Callable[..., MicroBatcher]


@dataclass
class QueuedModel:
    """A model that batches are run on; what it is called and how much it takes is the test's to say."""

    run: Callable[[Sequence[Image]], Awaitable[list[Detections]]]
    name: str = "native"
    max_batch: int = 1
    max_in_flight: int = 1
    shares: bool = False

    def alone(self) -> AbstractAsyncContextManager[Run]:
        return nullcontext(self.run)


def pictures(street: Image, count: int) -> list[Image]:
    """Pictures that can be told apart by the class that is found in them, their width."""
    return [Image(street.data, 100 + number, 50) for number in range(count)]


async def ask(batcher: MicroBatcher, image: Image, *, timeout_s: float = 10) -> Answer:
    """A request with one picture; TimeoutError, and the picture given up, if there is no answer in time."""
    (answer,) = batcher.submit([image])
    return await asyncio.wait_for(answer, timeout_s)


def submit(batcher: MicroBatcher, images: Sequence[Image], *, timeout_s: float = 10) -> list[asyncio.Task[Answer]]:
    """Requests of one picture each."""
    return [asyncio.create_task(ask(batcher, image, timeout_s=timeout_s)) for image in images]


def sizes(backend: FakeBackend) -> list[int]:
    return [len(batch) for batch in backend.batches]


def assert_answered(images: Sequence[Image], answers: Sequence[Answer]) -> None:
    assert [int(answer.detections.classes[0]) for answer in answers] == [image.width for image in images]
