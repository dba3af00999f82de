"""The images that wait for a backend: bounded by their number and their pixels, fair between requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from app.images import Image
from app.lanes.queued import QueuedImage


class Waiting:
    """Takes in at most `limit` images, of at most `max_pixels` together; one request alone may have more pixels.

    `emptied` is called when callers have left and what they left is swept.
    """

    def __init__(self, *, limit: int, max_pixels: int, emptied: Callable[[], None] = lambda: None) -> None:
        self._limit, self._max_pixels, self._emptied = limit, max_pixels, emptied
        self._requests: deque[deque[QueuedImage]] = deque()  # each request's images
        self._left = 0  # of the requests at least so many have none, since their callers left

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

    def add(self, images: Sequence[Image]) -> list[QueuedImage]:
        """Queue the images of one request. A caller who no longer waits cancels the answer."""
        loop = asyncio.get_running_loop()
        jobs = [QueuedImage(image, loop.create_future()) for image in images]
        request = deque(jobs)
        for job in jobs:
            job.answer.add_done_callback(partial(self._forget, request, job))
        self._requests.append(request)
        return jobs

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

    def _forget(self, request: deque[QueuedImage], job: QueuedImage, _: object) -> None:
        """Drop an image whose caller no longer waits; it is not there any more if it was taken.

        What callers who left leave behind is swept once it is more than half of all.
        """
        if job not in request:
            return
        request.remove(job)
        self._left += not request
        if 2 * self._left > len(self._requests):
            self._requests, self._left = deque(each for each in self._requests if each), 0
            self._emptied()
