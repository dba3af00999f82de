"""The images that wait for a backend: bounded by their number and their pixels, fair between requests."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from app.images import Image
from app.lanes.queued import Answer, QueuedImage


class Waiting:
    """Takes in at most `limit` images, of at most `max_pixels` together; one request alone may have more pixels."""

    def __init__(self, *, limit: int, max_pixels: int) -> None:
        self._limit, self._max_pixels = limit, max_pixels
        self._requests: deque[deque[QueuedImage]] = deque()  # each request's images

    def __len__(self) -> int:
        """Images waiting; those whose callers have left are not among them."""
        return sum(map(len, self._requests))

    def full(self, images: int) -> str | None:
        """Why so many more images don't fit, as a sentence, or None if they do, as far as their number tells."""
        waiting = len(self)
        if waiting + images <= self._limit:
            return None
        return f"{waiting} pictures are waiting already; the limit is {self._limit}"

    def full_of_pixels(self, images: Sequence[Image]) -> str | None:
        """Why these images don't fit by their pixels; if nothing else waits they always do."""
        waiting = sum(job.image.pixels for request in self._requests for job in request)
        more = sum(image.pixels for image in images)
        if not waiting or waiting + more <= self._max_pixels:
            return None
        sentence = f"pictures with {waiting:,} pixels in all are waiting, and this request has {more:,}"
        return f"{sentence}; the limit is {self._max_pixels:,}"

    def add(self, images: Sequence[Image]) -> list[asyncio.Future[Answer]]:
        """Queue the images of one request; a future for each, to be cancelled by a caller who no longer waits."""
        loop = asyncio.get_running_loop()
        request = deque(QueuedImage(image, loop.create_future()) for image in images)
        futures = [job.answer for job in request]
        for job in request:
            job.answer.add_done_callback(partial(_forget, request, job))
        self._requests.append(request)
        return futures

    def take(self, most: int, *, pixels: int, busy: bool) -> list[QueuedImage]:
        """Up to `most` images, one of each request in turn, of at most `pixels`; of callers who have left, none.

        Unless the model is `busy`, the first is taken however large it is.
        """
        batch: list[QueuedImage] = []
        while self._requests and len(batch) < most:
            request = self._requests[0]
            if request and (batch or busy) and request[0].image.pixels > pixels:
                break  # it has its turn when others are done: those behind it would keep it waiting for ever
            self._requests.popleft()
            if request:
                job = request.popleft()
                self._requests.append(request)
                if not job.answer.done():
                    batch.append(job)
                    pixels -= job.image.pixels
        return batch


def _forget(request: deque[QueuedImage], job: QueuedImage, _: object) -> None:
    """Drop an image whose caller no longer waits; it is not there any more if it was taken."""
    if job in request:
        request.remove(job)
