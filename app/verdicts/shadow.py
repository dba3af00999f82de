"""Shadow pairs: a sample of requests is run again after its answer, on native and on a copy, and the two are compared.

It never delays an answer: it has a small queue of its own that drops what does not fit, and runs while the server is
idle. On a busy server a pair runs now and then, while nothing waits, or else in the place of a batch; what it says of
speed is not used then.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Mapping
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
from app.verdicts.routing import Routing
from converter.comparison.timing import Role, order
from converter.model.detections import Detections

log = logging.getLogger(__name__)

MOST_WAITING, MOST_BYTES = 16, 16_000_000
PATIENCE_S = 2.0  # on a busy server there is one pair in so many seconds
MOST_TRIES = 5
# After a pair for which requests had to wait: a hundredth of the time, or a pair a minute.
REST, LONGEST_REST_S = 99.0, 60.0


@dataclass(frozen=True, slots=True)
class ShadowPicture:
    """A picture to be run again."""

    image: Image
    request_id: str


class Shadow:
    """Takes answered pictures and turns a `share` of them into pairs; `run` must run."""

    def __init__(
        self, routing: Routing, live_pairs: LivePairs, metrics: Metrics, *, share: float, measuring: asyncio.Lock
    ) -> None:
        self.share = share  # 0 to 1; may be changed at any time
        self.patience_s = PATIENCE_S
        self._measuring = measuring  # held by whoever measures
        self._routing, self._live_pairs, self._metrics = routing, live_pairs, metrics
        self._waiting_pictures: deque[ShadowPicture] = deque()
        self._arrived = asyncio.Event()
        self._pairs = 0

    def offer(self, image: Image, request_id: str) -> None:
        """Take note of a picture that has been answered."""
        if not self.share or random.random() >= self.share or not self._copies():
            return
        held = sum(len(answered.image.data) for answered in self._waiting_pictures)
        if len(self._waiting_pictures) >= MOST_WAITING or held + len(image.data) > MOST_BYTES:
            self._metrics.compare_dropped.labels("full").inc()
        else:
            self._waiting_pictures.append(ShadowPicture(image, request_id))
            self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            answered = self._waiting_pictures.popleft()
            if not self._waiting_pictures:
                self._arrived.clear()
            try:
                await self._work(answered)
            # The comparison is an extra: whatever goes wrong with a pair is told, and the next one comes.
            except Exception as error:
                log.error("shadow pair failed", exc_info=error)

    async def _work(self, answered: ShadowPicture) -> None:
        """Run the picture in a moment in which no request has to wait; drop it if there is none for long."""
        for _ in range(MOST_TRIES):
            if await wait_until_idle(self._batchers(), within_s=self.patience_s) or not self._waiting():
                async with self._measuring:
                    if not self._waiting():  # nor came one while another measured
                        await self._compare(answered)
                        return
        await self._work_beside_the_load(answered)

    async def _work_beside_the_load(self, answered: ShadowPicture) -> None:
        try:
            async with self._measuring, held(self._batchers(), within_s=MOST_TRIES * self.patience_s, places=1):
                begun = monotonic()
                await self._compare(answered)
        except TimeoutError:
            self._metrics.compare_dropped.labels("busy").inc()
        else:
            await asyncio.sleep(min(REST * (monotonic() - begun), LONGEST_REST_S))

    async def _compare(self, answered: ShadowPicture) -> None:
        copies = self._copies()
        if not copies:
            self._metrics.compare_dropped.labels("no_copy").inc()
            return
        name = copies[self._pairs % len(copies)]
        native = self._routing.lanes[NATIVE].slot.backend
        copy = self._routing.lanes[name].slot.backend
        if native is None or copy is None:
            self._metrics.compare_dropped.labels("no_copy").inc()
            return
        standing = self._routing.standing(name)
        pair = await self._pair(answered, native, copy, self._pairs // len(copies))
        self._pairs += 1
        if pair is None:
            self._metrics.compare_dropped.labels("native_failed").inc()
        elif self._routing.standing(name) is not standing or self._routing.lanes[name].slot.backend not in (copy, None):
            # It was judged anew, cleared or swapped out, and perhaps closed over the pair.
            self._metrics.compare_dropped.labels("no_copy").inc()
        else:
            self._live_pairs.add(pair)

    async def _pair(self, answered: ShadowPicture, native: Backend, copy: Backend, number: int) -> Pair | None:
        """Both answers; None if native has none."""
        backends: Mapping[Role, Backend] = {"native": native, "copy": copy}
        quiet, begun = not self._running(), self._begun()
        runs: dict[Role, _Run] = {}
        for role in order(number):  # of the pairs of this copy
            runs[role] = await _run(backends[role], answered.image)
            if role == "native" and runs[role].found is None:
                return None
        alone = quiet and begun == self._begun() and not runs["copy"].error
        for role, run in runs.items():
            self._observe(backends[role].name, run, timed=alone)
        return Pair(
            copy=copy.name,
            source="shadow",
            request_id=answered.request_id,
            native=cast(Detections, runs["native"].found),
            found=runs["copy"].found,
            native_s=runs["native"].seconds if alone else None,
            copy_s=runs["copy"].seconds if alone else None,
            error=runs["copy"].error,
        )

    def _observe(self, backend: str, run: "_Run", *, timed: bool) -> None:
        if timed:
            self._metrics.observe_stages(backend, [("infer", run.seconds)], role="shadow")
        self._metrics.images.labels(backend, "shadow", "failed" if run.found is None else "ok").inc()

    def _copies(self) -> list[str]:
        lanes = self._routing.lanes
        return [name for name in self._routing.copies if lanes[name].slot.ready] if lanes[NATIVE].slot.ready else []

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


async def _run(backend: Backend, image: Image) -> _Run:
    start = perf_counter()
    try:
        (found,) = await backend.detect([image])
    except (BatchFailed, WorkerDied) as failure:
        return _Run(None, perf_counter() - start, f"the copy failed: {failure}")
    return _Run(found, perf_counter() - start)
