"""Who answers `auto`: the fastest backend that agrees with native, or the one that an admin chose.

For each size class of pictures by itself: a copy that gains nothing on large ones leaves these to native.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from app.choices import AUTO, BOTH, NATIVE
from app.errors import BackendUnavailable
from app.lanes.lane import Lane
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.verdicts.standing import UNCOMPARED, Loss, Standing
from app.verdicts.verdict import Verdict
from converter.sizes import SIZES, SizeName, size_class

log = logging.getLogger(__name__)


class Routing:
    """Keeps what is known of copies and what an admin chose; who answers follows from these and from who is ready."""

    def __init__(self, lanes: Mapping[str, Lane], metrics: Metrics) -> None:
        self.lanes = lanes  # by name, native first
        self.chosen = AUTO
        self._metrics = metrics
        self._standings = {name: Standing() for name in lanes}
        self._answered_last: dict[SizeName, str | None] = {}

    @property
    def copies(self) -> list[str]:
        """The names of all backends but native."""
        return [name for name in self.lanes if name != NATIVE]

    @property
    def active(self) -> str | None:
        """The backend that answers `auto` now, for some size class at least; None while none is ready that may.

        If copies answer some classes and native others, it is the copy that answers the smallest of these.
        """
        answering = [self.active_for(size) for size in SIZES]
        return next((name for name in answering if name not in (None, NATIVE)), answering[0])

    def active_for(self, size: SizeName) -> str | None:
        """The backend that answers `auto` now for pictures of this class; None while none is ready that may."""
        if self.chosen != AUTO and self._ready(self.chosen):
            return self.chosen
        if not self._ready(NATIVE):
            return self._fastest(size, lambda standing: standing.agrees_on(size))
        return self._fastest(size, lambda standing: standing.passed_on(size)) or NATIVE

    @property
    def answers(self) -> dict[SizeName, str | None]:
        """The backend that answers `auto` now, by size class."""
        return {size: self.active_for(size) for size in SIZES}

    def standing(self, backend: str) -> Standing:
        """What is known of a backend; native's is empty."""
        return self._standings[backend]

    def agrees(self, backend: str, sizes: Collection[SizeName] = ()) -> bool:
        """Whether the backend may answer in native's place pictures of all these classes, or of some."""
        standing = self._standings[backend]
        return backend == NATIVE or (all(map(standing.agrees_on, sizes)) if sizes else standing.agrees)

    def record_verdict(
        self, copy: str, verdict: Verdict | None, reason: str = UNCOMPARED, *, passing: bool = False
    ) -> None:
        """Take note of a verdict on a fresh copy, or that there is none and why; what was held against it is gone."""
        self._standings[copy] = Standing(verdict, reason, passing)

    def amend_verdict(self, copy: str, verdict: Verdict) -> None:
        """Take note of what the gate or live pairs have found since on a size class; what else is known stays."""
        self._standings[copy].verdict = verdict

    def roll_back(self, copy: str, *, kind: str, reason: str) -> None:
        """Take a copy that agreed out of `auto` until an admin says otherwise; `kind` is disagreement or errors.

        Also if an admin chose it: whoever chooses it again after this has been told. A copy that answers in spite of
        its verdict stays.
        """
        if not self.agrees(copy):
            return
        self._standings[copy].rolled_back = reason
        if self.chosen == copy:
            self.chosen = AUTO
        self._metrics.rollbacks.labels(copy, kind).inc()
        log.warning("backend rolled back copy=%s kind=%s reason=%r", copy, kind, reason)

    def lose(self, copy: str, size: SizeName, loss: Loss) -> None:
        """Live pairs found a copy slower on pictures of this class: native, or another copy, answers these."""
        self._standings[copy].slower[size] = loss
        self._metrics.sizes_lost.labels(copy, size, loss.kind).inc()
        log.warning("copy lost a size copy=%s size=%s kind=%s reason=%r", copy, size, loss.kind, loss.reason)

    def regain(self, copy: str, size: SizeName, *, reason: str) -> None:
        """They found it faster again: it answers these again."""
        self._standings[copy].slower.pop(size, None)
        log.info("copy regained a size copy=%s size=%s reason=%r", copy, size, reason)

    def choose(self, backend: str) -> None:
        """An admin's word: this backend answers `auto`. With `auto` the best does, and no rollback holds any longer.

        BackendUnavailable if it is not warm.
        """
        if backend == AUTO:
            for standing in self._standings.values():
                standing.rolled_back = None
        elif not self._ready(backend):
            raise self.lanes[backend].slot.unavailable()
        self.chosen = backend
        log.info("backend chosen backend=%s", backend)

    def route(self, backend: str, pixels: int = 0) -> Lane:
        """The lane for a picture of so many pixels; BackendUnavailable with the reason if it can't be answered."""
        name = backend
        if backend == AUTO:
            size = size_class(pixels)
            active = self.active_for(size)
            self._note_change(size, active)
            name = active or NATIVE
        lane = self.lanes[name]
        if not lane.slot.ready:
            raise lane.slot.unavailable()
        return lane

    def full(self, backend: str | None) -> Lane | None:
        """The lane that would refuse a picture for `backend` because its queue is full, or None.

        Without a name: the lane of `auto`, but only where the queue of every backend that could answer is full. For
        `auto`, whose pictures have a size that nobody knows yet: where it is full for every size class.
        """
        lanes = [lane for lane in map(self.lanes.get, self._named(backend)) if lane is not None]
        if not lanes or not all(lane.slot.ready and lane.batcher.full for lane in lanes):
            return None
        return lanes[0] if backend is not None or self._all_full() else None

    def rate(self, backend: str | None) -> float:
        """Images answered per second by the fastest that may answer for `backend`, or for any without a name."""
        lanes = [lane for lane in map(self.lanes.get, self._named(backend)) if lane is not None]
        return max((lane.batcher.rate for lane in lanes), default=0.0)

    def _named(self, backend: str | None) -> list[str]:
        if backend in (None, AUTO):
            return list({name or NATIVE: None for name in self.answers.values()})
        return [NATIVE if backend == BOTH else str(backend)]

    def _all_full(self) -> bool:
        return all(lane.batcher.full for lane in self.lanes.values() if lane.slot.ready)

    def alternative(self, lane: Lane, sizes: Collection[SizeName] = ()) -> Lane | None:
        """Another warm backend that finds the same objects in pictures of these classes, native first."""
        others = (other for name, other in self.lanes.items() if other is not lane and self.agrees(name, sizes))
        return next((other for other in others if other.slot.ready), None)

    async def next_lane(
        self, lane: Lane, *, failed: bool, within_s: float, sizes: Collection[SizeName] = ()
    ) -> Lane | None:
        """Where to try what `lane` has lost; None if there is no such backend, and none becomes warm within the time.

        `failed`: its model failed on it. Else its worker died, and whoever answers `auto` may have it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (found := self.alternative(lane, sizes) if failed else self._active_lane(sizes)):
                    coming = [each.slot for each in self.lanes.values() if not (failed and each is lane)]
                    coming = [slot for slot in coming if self._may_come(slot)]
                    if not coming:
                        return None
                    await _first([slot.next_one() for slot in coming])
                return found
        return None

    def _active_lane(self, sizes: Collection[SizeName]) -> Lane | None:
        """Whoever answers the largest of these classes: native, if they differ."""
        active = self.active_for(max(sizes, key=SIZES.index, default="small"))
        return self.lanes[active] if active else None

    def _may_come(self, slot: Slot) -> bool:
        """Whether a worker may soon answer in this slot: what agrees has served, and is started again."""
        return self.agrees(slot.name) and slot.phase.name in ("ready", "crashed", "loading", "refused")

    def best_copy(self) -> Lane:
        """The copy that is compared with native on request: the active one, else the best that is warm."""
        warm = [name for name in self.copies if self._ready(name)]
        if not warm:
            phases = "; ".join(f"{name} is {self.lanes[name].slot.phase.name}" for name in self.copies)
            waits = [self.lanes[name].slot.unavailable().retry_after_s for name in self.copies]
            soonest = min((wait for wait in waits if wait is not None), default=None)  # None: no copy will come
            raise BackendUnavailable(f"there is no copy to compare native with: {phases}", retry_after_s=soonest)
        active = self.active
        return self.lanes[max(warm, key=lambda name: (name == active, self.agrees(name), self._speedup(name)))]

    def _fastest(self, size: SizeName, may_answer: Callable[[Standing], bool]) -> str | None:
        fitting = (name for name in self.copies if self._ready(name) and may_answer(self._standings[name]))
        return max(fitting, key=lambda name: self._standings[name].speedup_on(size), default=None)

    def _ready(self, name: str) -> bool:
        return self.lanes[name].slot.ready

    def _speedup(self, copy: str) -> float:
        return self._standings[copy].speedup

    def _note_change(self, size: SizeName, active: str | None) -> None:
        before = self._answered_last.get(size)
        if active != before:
            log.info("backend answers auto backend=%s before=%s size=%s", active, before, size)
            self._answered_last[size] = active


async def _first(waits: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait until one of them ends."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
