"""Pictures that were in a worker when it died: they are run alone, and what killed two workers is known for a while.

A death blames every picture that was in the worker, and an answer clears the one that it is for: what comes often and
was in a worker that somebody killed is cleared by its next answer, long before another death.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from app.backends.backend import WorkerDied, WorkerGone
from app.images import Image

MOST_DEATHS = 2  # then a picture is not run again
KNOWN_S, MOST_KNOWN = 600.0, 1000


@dataclass(slots=True)
class _Suspect:
    size_bytes: int
    since: float
    deaths: int
    last: WorkerDied


class Suspects:
    """What is held against pictures, by their hashes, in all queues together; `clock` tells seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[bytes, _Suspect] = OrderedDict()  # the one that died last comes last
        self._sizes: Counter[int] = Counter()  # a picture of another size is none of them, and is not hashed

    @property
    def none(self) -> bool:
        """Whether nothing is held against any picture."""
        return not self._found

    def note(self, images: Sequence[Image], death: WorkerDied) -> None:
        """These were in a worker when it died, perhaps in several batches."""
        if death.closed or isinstance(death, WorkerGone):
            return
        for image in images:
            key = sha256(image.data).digest()
            known = self._drop(key)
            deaths = (known.deaths + (known.last is not death)) if known else 1
            self._found[key] = _Suspect(len(image.data), self._clock(), deaths, death)
            self._sizes[len(image.data)] += 1
        while len(self._found) > MOST_KNOWN:
            self._drop(next(iter(self._found)))

    def deaths(self, image: Image) -> int:
        """How many workers died with the picture in them and without an answer to it since."""
        if not self._found:
            return 0
        while self._found and self._clock() - next(iter(self._found.values())).since > KNOWN_S:
            self._drop(next(iter(self._found)))
        if not self._sizes[len(image.data)]:
            return 0
        known = self._found.get(sha256(image.data).digest())
        return known.deaths if known else 0

    def clear(self, images: Sequence[Image]) -> None:
        """These have been answered."""
        for image in images:
            if self._sizes[len(image.data)]:
                self._drop(sha256(image.data).digest())

    def _drop(self, key: bytes) -> _Suspect | None:
        known = self._found.pop(key, None)
        if known is not None:
            self._sizes[known.size_bytes] -= 1
            self._sizes += Counter()  # forgets the sizes that nobody has
        return known
