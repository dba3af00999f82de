"""Who answers `auto`: the fastest backend that agrees with native, or the one that an admin chose."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.choices import AUTO, BOTH, NATIVE
from app.errors import BackendUnavailable
from app.lanes.lane import Lane
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.verdicts.gate import Verdict

log = logging.getLogger(__name__)

UNCOMPARED = "it has not been compared with native yet"


@dataclass(slots=True)
class Standing:
    """What is known of a copy that is loaded; native has none of it."""

    verdict: Verdict | None = None
    unjudged: str = UNCOMPARED  # why there is no verdict
    passing: bool = False  # that reason may pass
    rolled_back: str | None = None  # why it was taken out of `auto`

    @property
    def agrees(self) -> bool:
        """Whether it may answer in native's place."""
        return self._may("passed", "slower")

    @property
    def passed(self) -> bool:
        """Whether it answers `auto` if no faster one does."""
        return self._may("passed")

    @property
    def speedup(self) -> float:
        """By this copies are ranked; 0 without a verdict."""
        return self.verdict.speedup if self.verdict else 0.0

    def _may(self, *words: str) -> bool:
        return self.verdict is not None and self.verdict.word in words and self.rolled_back is None

    def to_json(self) -> dict[str, Any]:
        """The verdict and the rollback as plain data."""
        return {"verdict": self.verdict.to_json() if self.verdict else None, "rolled_back": self.rolled_back}


class Routing:
    """Keeps what is known of copies and what an admin chose; who answers follows from these and from who is ready."""

    def __init__(self, lanes: Mapping[str, Lane], metrics: Metrics) -> None:
        self.lanes = lanes  # by name, native first
        self.chosen = AUTO
        self._metrics = metrics
        self._standings = {name: Standing() for name in lanes}
        self._answered_last: str | None = None

    @property
    def copies(self) -> list[str]:
        """The names of all backends but native."""
        return [name for name in self.lanes if name != NATIVE]

    @property
    def active(self) -> str | None:
        """The backend that answers `auto` now; None while none is ready that may."""
        if self.chosen != AUTO and self._ready(self.chosen):
            return self.chosen
        if not self._ready(NATIVE):
            return self._fastest(lambda standing: standing.agrees)
        return self._fastest(lambda standing: standing.passed) or NATIVE

    def standing(self, backend: str) -> Standing:
        """What is known of a backend; native's is empty."""
        return self._standings[backend]

    def agrees(self, backend: str) -> bool:
        """Whether the backend may answer in native's place."""
        return backend == NATIVE or self._standings[backend].agrees

    def record_verdict(
        self, copy: str, verdict: Verdict | None, reason: str = UNCOMPARED, *, passing: bool = False
    ) -> None:
        """Take note of a verdict on a fresh copy, or that there is none and why; what was held against it is gone."""
        self._standings[copy] = Standing(verdict, reason, passing)

    def amend_verdict(self, copy: str, verdict: Verdict) -> None:
        """Live pairs have decided a verdict that the gate left open."""
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

    def route(self, backend: str) -> Lane:
        """The lane for a request; BackendUnavailable with the reason if it can't be answered."""
        name = backend
        if backend == AUTO:
            active = self.active
            self._note_change(active)
            name = active or NATIVE
        lane = self.lanes[name]
        if not lane.slot.ready:
            raise lane.slot.unavailable()
        return lane

    def full(self, backend: str | None) -> Lane | None:
        """The lane that would refuse a picture for `backend` because its queue is full, or None.

        Without a name: the lane of `auto`, but only where the queue of every backend that could answer is full.
        """
        lane = self.lanes.get(self._named(backend))
        if lane is None or not lane.slot.ready or not lane.batcher.full:
            return None
        return lane if backend is not None or self._all_full() else None

    def _named(self, backend: str | None) -> str:
        if backend in (None, AUTO):
            return self.active or NATIVE
        return NATIVE if backend == BOTH else str(backend)

    def _all_full(self) -> bool:
        return all(lane.batcher.full for lane in self.lanes.values() if lane.slot.ready)

    def alternative(self, lane: Lane) -> Lane | None:
        """Another warm backend that finds the same objects, native first."""
        others = (other for name, other in self.lanes.items() if other is not lane and self.agrees(name))
        return next((other for other in others if other.slot.ready), None)

    async def next_lane(self, lane: Lane, *, failed: bool, within_s: float) -> Lane | None:
        """Where to try what `lane` has lost; None if there is no such backend, and none becomes warm within the time.

        `failed`: its model failed on it. Else its worker died, and whoever answers `auto` may have it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (found := self.alternative(lane) if failed else self._active_lane()):
                    coming = [each.slot for each in self.lanes.values() if not (failed and each is lane)]
                    coming = [slot for slot in coming if self._may_come(slot)]
                    if not coming:
                        return None
                    await _first([slot.next_one() for slot in coming])
                return found
        return None

    def _active_lane(self) -> Lane | None:
        return self.lanes[self.active] if self.active else None

    def _may_come(self, slot: Slot) -> bool:
        """Whether a worker may soon answer in this slot: what agrees has served, and is started again."""
        return self.agrees(slot.name) and slot.phases[0].name in ("ready", "crashed", "loading", "refused")

    def best_copy(self) -> Lane:
        """The copy that is compared with native on request: the active one, else the best that is warm."""
        warm = [name for name in self.copies if self._ready(name)]
        if not warm:
            phases = "; ".join(f"{name} is {self.lanes[name].slot.phases[0].name}" for name in self.copies)
            raise BackendUnavailable(f"there is no copy to compare native with: {phases}", retry_after_s=30)
        active = self.active
        return self.lanes[max(warm, key=lambda name: (name == active, self.agrees(name), self._speedup(name)))]

    def _fastest(self, may_answer: Callable[[Standing], bool]) -> str | None:
        fitting = (name for name in self.copies if self._ready(name) and may_answer(self._standings[name]))
        return max(fitting, key=self._speedup, default=None)

    def _ready(self, name: str) -> bool:
        return self.lanes[name].slot.ready

    def _speedup(self, copy: str) -> float:
        return self._standings[copy].speedup

    def _note_change(self, active: str | None) -> None:
        if active != self._answered_last:
            log.info("backend answers auto backend=%s before=%s", active, self._answered_last)
            self._answered_last = active


async def _first(waits: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait until one of them ends."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
