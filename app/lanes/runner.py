"""What batches are run on, seen from their queue, and how much it may have."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.images import Image
from converter.model.detections import Detections

Run = Callable[[Sequence[Image]], Awaitable[list[Detections]]]


class BatchRunner(Protocol):
    """A model, or a place for some workers of one."""

    name: str
    max_in_flight: int  # most batches at once, besides those that run alone; may change at any time
    shares: bool  # whether what is here is shared out over as many batches as may run; likewise

    @property
    def max_batch(self) -> int:
        """Most images in a batch; likewise."""

    def run(self, images: Sequence[Image], /) -> Awaitable[list[Detections]]:
        """Run one batch; Detections in the images' order."""

    def alone(self) -> AbstractAsyncContextManager[Run]:
        """A worker that is sent nothing else from now on until the `async with` of it ends.

        The block begins when nothing is in it any more, and is given how a batch is run there.
        """


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many images may wait for a backend, and how many pixels it may decode at once."""

    images: int
    pixels: int = 1 << 62
