"""Pictures in a queue in front of a backend, for the tests of batching."""

import asyncio
from collections.abc import Callable, Sequence

from app.images import Image
from app.lanes.batching import Answer, MicroBatcher
from tests.support.fakes import FakeBackend

Make = Callable[..., MicroBatcher]


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
