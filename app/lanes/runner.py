"""What batches are run on: a slot, for the queue in front of it."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from app.images import Image
from converter.model.detections import Detections


class BatchRunner(Protocol):
    """What batches are run on."""

    name: str
    max_batch: int  # most images in a batch; may change at any time
    max_in_flight: int  # most batches at once; likewise

    def run(self, images: Sequence[Image], /) -> Awaitable[list[Detections]]:
        """Run one batch; Detections in the images' order."""
