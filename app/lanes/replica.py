"""A replica: the place of one of a backend's workers, where one is started again until it serves."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Protocol

from app.backends.backend import Facts, ModelRefused, NoRoom, Spec, Starter, WorkerDied
from app.backends.placement import Placement
from app.lanes.door import Door
from app.lanes.lease import Lease
from app.lanes.phase import STARTING, Phase, PhaseName
from app.metrics import Metrics
from converter.contract import CopyRefused

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a worker that lived this long starts the pauses anew


class Team(Protocol):
    """The workers that a replica's is one of."""

    name: str
    metrics: Metrics

    @property
    def start(self) -> Starter:
        """How a worker is started."""

    def count(self) -> None:
        """Take note of who serves now: somebody else does, or nobody."""

    async def lacking(self, placement: Placement) -> str | None:
        """Why there is no room for one more worker in this place, beside those that serve."""


class Replica:
    """Who serves in one place of the `team`, and the phase of it, which nobody else writes.

    What serves here and dies is started again until it serves, whatever stands in its way meanwhile. `pause_s` goes by
    before the next start, and doubles each time.
    """

    def __init__(self, team: Team, placement: Placement) -> None:
        self.placement = placement
        self.phase = STARTING
        self.lease: Lease | None = None
        self.reserved = False  # for a batch that runs alone: no others are sent here
        self.starting = asyncio.Lock()  # held by whoever starts a worker for this place
        self.pause_s = FIRST_PAUSE_S
        self._team = team
        self.turn = 0  # how often it was decided who is to serve here
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def serves(self) -> bool:
        """Whether there is a warm worker."""
        return self.lease is not None and not self.lease.dead

    @property
    def facts(self) -> Facts | None:
        """What its worker says of its model; None while there is none."""
        return self.lease.facts if self.lease else None

    @property
    def pid(self) -> int | None:
        """Its worker's process; None while there is none."""
        return self.lease.backend.pid if self.lease else None

    async def start(self, spec: Spec, *, again: str | None = None) -> Lease:
        """A warm worker for this place, where it does not serve yet; ModelRefused, WorkerDied or NoRoom if not.

        `again`: how the one before it died.
        """
        if lacking := await self._team.lacking(self.placement):
            raise NoRoom(lacking)
        if again:
            self._team.metrics.worker_restarts.labels(self._team.name, again).inc()
        spec = replace(spec, placement=self.placement)
        return Lease(await self._team.start(spec), spec)

    async def open(self, door: Door, spec: Spec, *, again: str | None = None) -> None:
        """Start a worker in the empty place, have `door` look at it, publish it; what these raise if that fails."""
        self.enter("loading", f"the model in {spec.folder.name} is being loaded and warmed up")
        fresh = await self.start(spec, again=again)
        try:
            if door.inspecting:
                self.enter("loading", door.inspecting)
            await door.inspect(fresh.backend)
        except BaseException:
            await fresh.backend.close()
            raise
        self.publish(fresh, door)

    def publish(self, fresh: Lease, door: Door) -> None:
        """It serves here from now on; when it dies another one has to pass the same door."""
        self.lease = fresh
        self.turn += 1
        facts = fresh.facts
        log.info(
            "backend ready backend=%s replica=%d device=%r batch_sizes=%s load_seconds=%.1f warm_seconds=%.1f",
            self._team.name,
            self.placement.replica,
            facts.device,
            facts.batch_sizes,
            facts.load_seconds,
            facts.warm_seconds,
        )
        self.enter("ready")
        self._team.count()
        self._spawn(self._watch(fresh, door))

    def vacate(self) -> Lease | None:
        """Nobody serves here any more, and nobody is started; who did, to be drained and closed."""
        stale, self.lease = self.lease, None
        self.turn += 1
        self._team.count()
        return stale

    async def fill(self, door: Door, turn: int) -> None:
        """Start a worker in the place that is empty since this `turn`; if that fails it is tried again later."""
        pause_s = await self._try(door, turn)
        if pause_s is not None:
            self._spawn(self._again(door, turn, pause_s))

    async def close(self) -> None:
        """End the worker and everything that is under way here."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if lease := self.vacate():
            await lease.backend.close()

    def enter(self, name: PhaseName, reason: str = "") -> None:
        """From now on this is its phase."""
        self.phase = Phase(name, reason)
        level = logging.WARNING if name in ("crashed", "refused") else logging.INFO
        who, number = self._team.name, self.placement.replica
        log.log(level, "backend phase backend=%s phase=%s reason=%r replica=%d", who, name, reason, number)

    async def _watch(self, lease: Lease, door: Door) -> None:
        death = await lease.backend.died()
        if lease is not self.lease:
            return  # it was swapped out and closed
        self.vacate()
        turn = self.turn
        if time.monotonic() - lease.since > STEADY_S:
            self.pause_s = FIRST_PAUSE_S
        pause_s = self._failed(death)
        await lease.backend.close()
        await self._again(door, turn, pause_s, why="hung" if death.hung else "crashed")

    async def _again(self, door: Door, turn: int, pause_s: float | None, *, why: str | None = None) -> None:
        """Start the same model again until one serves, or something else is to. `why`: how the one before died."""
        while pause_s is not None:
            if why is None and self.phase.name != "unavailable":  # else there was no room for one that could die
                why = "crashed"
            await asyncio.sleep(pause_s)
            pause_s = await self._try(door, turn, why=why)

    async def _try(self, door: Door, turn: int, *, why: str | None = None) -> float | None:
        """Start a worker, for the first time or since one died; the pause before it is to be tried again, if it is."""
        async with self.starting:
            if turn != self.turn:
                return None  # a swap put another model here meanwhile, or none is wanted
            try:
                await self.open(door, await door.spec(), again=why)
            # It has served: files that were moved, memory that was short or whatever else may come back.
            except Exception as error:
                if not isinstance(error, WorkerDied | ModelRefused | CopyRefused | NoRoom):
                    log.error("worker not started backend=%s", self._team.name, exc_info=error)
                return self._failed(error)
            return None

    def _failed(self, error: Exception) -> float:
        """Say so; the pause before the next start, which doubles each time."""
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, LONGEST_PAUSE_S)
        again = f"it is started again after {pause_s:g} s"
        if isinstance(error, CopyRefused):
            self.enter("refused", f"{error.reason}: {error}; {again}")
        elif isinstance(error, NoRoom):
            self.enter("unavailable", f"{error}; {again}")
        else:
            self.enter("refused" if isinstance(error, ModelRefused) else "crashed", f"{error}; {again}")
        return pause_s

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
