"""The images that wait for a backend: bounded by their number and their pixels, fair between requests and sizes.

Requests with a large picture, whose decoding takes longer than most models do on it, wait in a line of their own, and
batches come from both lines in turn: whoever sends the largest pictures that are allowed takes at most every second
batch, and small ones are answered meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from app.images import Image
from app.lanes.queued import QueuedImage
from converter.sizes import LARGE_PIXELS

Request = deque[QueuedImage]  # one request's images


class Waiting:
    """Takes in at most `limit` images, of at most `max_pixels` together; one request alone may have more pixels.

    `emptied` is called when callers have left and what they left is swept.
    """

    def __init__(self, *, limit: int, max_pixels: int, emptied: Callable[[], None] = lambda: None) -> None:
        self._limit, self._max_pixels, self._emptied = limit, max_pixels, emptied
        self._small, self._large = deque[Request](), deque[Request]()
        self._last: deque[Request] = self._large  # the line that gave the last batch
        self._images = self._pixels = 0  # waiting
        self._left = 0  # of the requests at least so many have none, since their callers left

    def __len__(self) -> int:
        """Images waiting; those whose callers have left are not among them."""
        return self._images

    def full(self, images: int) -> str | None:
        """Why so many more images don't fit, as a sentence, or None if they do, as far as their number tells."""
        waiting = self._images
        if waiting + images <= self._limit:
            return None
        return f"{waiting} pictures are waiting already; the limit is {self._limit}"

    def full_of_pixels(self, images: Sequence[Image]) -> str | None:
        """Why these images don't fit by their pixels; if nothing else waits they always do."""
        waiting, more = self._pixels, _pixels(images)
        if not waiting or waiting + more <= self._max_pixels:
            return None
        sentence = f"pictures with {waiting:,} pixels in all are waiting, and this request has {more:,}"
        return f"{sentence}; the limit is {self._max_pixels:,}"

    def add(self, images: Sequence[Image]) -> list[QueuedImage]:
        """Queue the images of one request. A caller who no longer waits cancels the answer."""
        loop = asyncio.get_running_loop()
        jobs = [QueuedImage(image, loop.create_future()) for image in images]
        line = self._small
        for image in images:
            self._pixels += image.pixels
            if image.pixels > LARGE_PIXELS:
                line = self._large
        self._images += len(jobs)
        request = deque(jobs)
        for job in jobs:
            job.answer.add_done_callback(partial(self._forget, request, job))
        line.append(request)
        return jobs

    def take(self, most: int, *, pixels: int, busy: bool) -> list[QueuedImage]:
        """Up to `most` images of one line, one of each request in turn, of at most `pixels`; of callers who left, none.

        Unless the model is `busy`, the first is taken however large it is. The lines take turns.
        """
        lines = (self._large, self._small) if self._last is self._small else (self._small, self._large)
        for line in lines:
            batch = self._take_from(line, most, pixels=pixels, busy=busy)
            if batch:
                self._last = line
            if batch or line:  # whose turn it is keeps it until what runs leaves room for it
                return batch
        return []

    def _take_from(self, line: deque[Request], most: int, *, pixels: int, busy: bool) -> list[QueuedImage]:
        batch: list[QueuedImage] = []
        while line and len(batch) < most:
            request = line[0]
            if request and (batch or busy) and request[0].image.pixels > pixels:
                break  # it has its turn when others are done: those behind it would keep it waiting for ever
            line.popleft()
            if request:
                job = request.popleft()
                self._images -= 1
                self._pixels -= job.image.pixels
                if request:
                    line.append(request)
                if not job.answer.done():
                    batch.append(job)
                    pixels -= job.image.pixels
        return batch

    def _forget(self, request: Request, job: QueuedImage, _: object) -> None:
        """Drop an image whose caller no longer waits; it is not there any more if it was taken.

        What callers who left leave behind is swept once it is more than half of all.
        """
        if job not in request:
            return
        request.remove(job)
        self._images -= 1
        self._pixels -= job.image.pixels
        self._left += not request
        if 2 * self._left > len(self._small) + len(self._large):
            for line in (self._small, self._large):
                _sweep(line)
            self._left = 0
            self._emptied()


def _pixels(images: Sequence[Image]) -> int:
    return sum([image.pixels for image in images])


def _sweep(line: deque[Request]) -> None:
    kept = [request for request in line if request]
    line.clear()
    line.extend(kept)
