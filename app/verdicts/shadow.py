"""Shadow pairs: a sample of requests is run again after its answer, on native and on a copy, and the two are compared.

It never delays an answer: it has a small queue of its own that drops what does not fit, and runs while the server is
idle. On a busy server a pair runs now and then, while nothing waits, or else in the place of a batch, for a hundredth
of the time. Both calls of a pair are then disturbed alike, which draws its ratio towards 1, if anywhere. Where every
request is to be compared, pairs run in the place of a batch at once.

A pair that a request disturbs is not timed, unless its copy is undecided. Behind one client that asks without a pause
no pair is ever alone, though nothing waits: after some of them one runs in the place of a batch.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import cast

from app.backends.backend import Backend, BatchFailed, WorkerDied
from app.choices import NATIVE
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.quiet import held, wait_until_idle
from app.metrics import Metrics
from app.verdicts.live_pairs import LivePairs, Pair
from app.verdicts.loads import Clock
from app.verdicts.routing import Routing
from converter.comparison.timing import Role, order
from converter.model.detections import Detections
from converter.sizes import SIZES, SizeName, size_class

log = logging.getLogger(__name__)

# Of each size class by itself: pictures of a rare one find room on a busy server too.
MOST_WAITING, MOST_BYTES = 16, 16_000_000
MOST_WAITING_OF_ALL, MOST_BYTES_OF_ALL = 256, 64_000_000  # where every request is to be compared
PATIENCE_S = 0.5  # so many times as long as tries a moment is waited for before requests have to wait instead
MOST_TRIES = 5
# After a pair for which requests had to wait: a hundredth of the time, or a pair a minute for each size class.
REST, LONGEST_REST_S = 99.0, 20.0
MOST_UNTIMED = 8  # pairs of a size class in a row, before the next one has the place of a batch
UNDECIDED_SHARE = 0.25  # of requests while a copy is undecided for pictures of their size, so that traffic decides it


@dataclass(frozen=True, slots=True)
class Measuring:
    """What whoever measures must hold, and the clock by which calls are timed."""

    alone: asyncio.Lock
    clock: Clock = perf_counter


@dataclass(frozen=True, slots=True)
class ShadowPicture:
    """A picture to be run again."""

    image: Image
    request_id: str


class Shadow:
    """Takes answered pictures and turns a `share` of them into pairs; `run` must run."""

    def __init__(
        self, routing: Routing, live_pairs: LivePairs, metrics: Metrics, *, share: float, measuring: Measuring
    ) -> None:
        self.share = share  # 0 to 1; may be changed at any time
        self.patience_s = PATIENCE_S
        self.measuring = measuring
        self._routing, self._live_pairs, self._metrics = routing, live_pairs, metrics
        self._waiting_pictures: dict[SizeName, deque[ShadowPicture]] = {size: deque() for size in SIZES}
        self._arrived = asyncio.Event()
        self._pairs_of: Counter[tuple[str, SizeName]] = Counter()  # by copy and size class
        self._untimed: Counter[SizeName] = Counter()  # pairs in a row

    def offer(self, image: Image, request_id: str) -> None:
        """Take note of a picture that has been answered."""
        size = size_class(image.pixels)
        if not self.share or random.random() >= self._share_of(size) or not self._copies():
            return
        line = self._waiting_pictures[size]
        most, most_bytes = (MOST_WAITING_OF_ALL, MOST_BYTES_OF_ALL) if self._all else (MOST_WAITING, MOST_BYTES)
        if len(line) >= most or sum(len(each.image.data) for each in line) + len(image.data) > most_bytes:
            self._metrics.compare_dropped.labels("full").inc()
        else:
            line.append(ShadowPicture(image, request_id))
            self._arrived.set()

    @property
    def _all(self) -> bool:
        """Whether every request is to be compared."""
        return self.share >= 1

    def _share_of(self, size: SizeName) -> float:
        return max(self.share, UNDECIDED_SHARE) if self._undecided(size) else self.share

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            answered = self._next()
            try:
                await self._work(answered)
            # The comparison is an extra: whatever goes wrong with a pair is told, and the next one comes.
            except Exception as error:
                log.error("shadow pair failed", exc_info=error)

    def _next(self) -> ShadowPicture:
        """The first that waits of the size class whose turn it is: rare sizes get their pairs too."""
        lines = self._waiting_pictures
        size = next(size for size in lines if lines[size])
        answered = lines[size].popleft()
        lines[size] = lines.pop(size)  # it is the last one in the next turn
        if not any(lines.values()):
            self._arrived.clear()
        return answered

    async def _work(self, answered: ShadowPicture) -> None:
        """Run the picture in a moment in which no request has to wait; in the place of a batch if none comes."""
        for _ in range(self._tries(size_class(answered.image.pixels))):
            within_s = 0.0 if self._all else self.patience_s
            if await wait_until_idle(self._batchers(), within_s=within_s) or not self._waiting():
                async with self.measuring.alone:
                    if not self._waiting():  # nor came one while another measured
                        await self._compare(answered)
                        return
        await self._work_beside_the_load(answered)

    def _tries(self, size: SizeName) -> int:
        if self._untimed[size] >= MOST_UNTIMED:
            return 0
        return 1 if self._all else MOST_TRIES

    async def _work_beside_the_load(self, answered: ShadowPicture) -> None:
        try:
            async with self.measuring.alone, held(self._batchers(), within_s=MOST_TRIES * self.patience_s, places=1):
                begun = monotonic()
                await self._compare(answered, beside=True)
        except TimeoutError:
            self._metrics.compare_dropped.labels("busy").inc()
        else:
            if not self._all:
                await asyncio.sleep(min(REST * (monotonic() - begun), LONGEST_REST_S))

    async def _compare(self, answered: ShadowPicture, *, beside: bool = False) -> None:
        size = size_class(answered.image.pixels)
        undecided = self._undecided(size)
        chosen = self._chosen(undecided or self._copies(), size)
        if chosen is None:
            self._metrics.compare_dropped.labels("no_copy").inc()
            return
        name, native, copy = chosen
        standing = self._routing.standing(name)
        pair = await self._pair(answered, native, copy, beside=beside or bool(undecided))
        self._pairs_of[name, size] += 1
        if pair is None:
            self._metrics.compare_dropped.labels("native_failed").inc()
            return
        self._untimed[size] = 0 if pair.seconds else self._untimed[size] + 1
        if self._routing.standing(name) is not standing or self._routing.lanes[name].slot.backend not in (copy, None):
            # It was judged anew, cleared or swapped out, and perhaps closed over the pair.
            self._metrics.compare_dropped.labels("no_copy").inc()
        else:
            self._live_pairs.add(pair)

    def _chosen(self, copies: Sequence[str], size: SizeName) -> tuple[str, Backend, Backend] | None:
        """The copy whose turn it is, native's worker and its own; None if one of them is missing."""
        if not copies:
            return None
        name = copies[sum(self._pairs_of[each, size] for each in copies) % len(copies)]
        native, copy = (self._routing.lanes[each].slot.backend for each in (NATIVE, name))
        return (name, native, copy) if native and copy else None

    async def _pair(self, answered: ShadowPicture, native: Backend, copy: Backend, *, beside: bool) -> Pair | None:
        """Both answers; None if native has none. Timed if they ran alone, or if times `beside` requests count too."""
        backends: Mapping[Role, Backend] = {"native": native, "copy": copy}
        quiet, begun = not self._running(), self._begun()
        runs: dict[Role, _Run] = {}
        # Each size class by itself: they come in turns, and one would always have the same backend first.
        for role in order(self._pairs_of[copy.name, size_class(answered.image.pixels)]):
            runs[role] = await _run(backends[role], answered.image, self.measuring.clock)
            if role == "native" and runs[role].found is None:
                return None
        alone = quiet and begun == self._begun() and not runs["copy"].error
        for role, run in runs.items():
            self._observe(backends[role].name, run, timed=alone)
        return _pair_of(answered, copy.name, runs, timed=alone or (beside and not runs["copy"].error))

    def _observe(self, backend: str, run: "_Run", *, timed: bool) -> None:
        if timed:
            self._metrics.observe_stages(backend, [("infer", run.seconds)], role="shadow")
        self._metrics.images.labels(backend, "shadow", "failed" if run.found is None else "ok").inc()

    def _copies(self) -> list[str]:
        lanes = self._routing.lanes
        return [name for name in self._routing.copies if lanes[name].slot.ready] if lanes[NATIVE].slot.ready else []

    def _undecided(self, size: SizeName) -> list[str]:
        """The copies that traffic is to decide on for pictures of this class."""
        return [name for name in self._copies() if self._routing.standing(name).undecided_on(size)]

    def _batchers(self) -> list[MicroBatcher]:
        return [lane.batcher for lane in self._routing.lanes.values()]

    def _waiting(self) -> bool:
        return any(batcher.depth for batcher in self._batchers())

    def _running(self) -> bool:
        return any(batcher.in_flight for batcher in self._batchers())

    def _begun(self) -> int:
        return sum(batcher.batches_begun for batcher in self._batchers())


@dataclass(frozen=True, slots=True)
class _Run:
    """What one backend made of a picture."""

    found: Detections | None
    seconds: float
    error: str = ""


def _pair_of(answered: ShadowPicture, copy: str, runs: Mapping[Role, _Run], *, timed: bool) -> Pair:
    return Pair(
        copy=copy,
        source="shadow",
        request_id=answered.request_id,
        size=size_class(answered.image.pixels),
        photo=answered.image.digest,
        native=cast(Detections, runs["native"].found),
        found=runs["copy"].found,
        native_s=runs["native"].seconds if timed else None,
        copy_s=runs["copy"].seconds if timed else None,
        error=runs["copy"].error,
    )


async def _run(backend: Backend, image: Image, clock: Clock) -> _Run:
    start = clock()
    try:
        (found,) = await backend.detect([image])
    except (BatchFailed, WorkerDied) as failure:
        return _Run(None, clock() - start, f"the copy failed: {failure}")
    return _Run(found, clock() - start)
