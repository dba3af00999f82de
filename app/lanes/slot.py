"""A slot: who serves now under a backend's name; swap, drain, and restart after a crash."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from app import memory
from app.backends.backend import Backend, Facts, ModelRefused, NoRoom, Spec, Starter, WorkerDied
from app.errors import BackendUnavailable
from app.images import Image
from app.lanes.door import Door
from app.lanes.lease import Lease
from app.lanes.phase import STARTING, Phase, PhaseName, Vacancy
from app.metrics import Metrics
from converter.contract import CopyRefused
from converter.model.detections import Detections

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a worker that lived this long starts the pauses anew
# For what a worker still has when it is not needed any more: as long as a request waits where nobody says otherwise.
LONGEST_DRAIN_S = 30.0
_RETRY_AFTER_S = {"loading": 5.0, "crashed": 2.0, "converting": 30.0}


def room_for_two(backend: Backend) -> str | None:
    """Why a second worker can't be started beside `backend`, or None; takes as long as `memory.lacking`."""
    return memory.lacking(backend.pid)


class Slot:
    """The place of one backend. It has one replica for now; nobody else writes its phase.

    What has served once is started again until it serves, whatever stands in its way meanwhile. `pause_s` goes by
    before the next start, and doubles each time. `room` says why a second worker can't be started beside the one that
    serves, or None.
    """

    def __init__(
        self,
        name: str,
        start: Starter,
        metrics: Metrics,
        *,
        room: Callable[[Backend], str | None] = room_for_two,
    ) -> None:
        self.name = name
        self.max_in_flight, self.shares = 1, False  # of the worker that served last
        self._last: Backend | None = None  # that worker
        self._start, self._metrics, self._room = start, metrics, room
        self._phase = STARTING
        self._lease: Lease | None = None
        self._leaving = False  # the worker answers what waits, and gets nothing new
        self._retiring: set[Lease] = set()  # swapped out, with batches still in them
        self._opening = asyncio.Lock()
        self._published = asyncio.Event()  # set, and another one put in its place, whenever one is
        self._cleared = 0  # times
        self.pause_s = FIRST_PAUSE_S
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What each replica does now."""
        return (self._phase,)

    @property
    def facts(self) -> Facts | None:
        """What the serving worker said of its model; None while nothing serves."""
        return self._lease.backend.facts if self._lease else None

    @property
    def max_batch(self) -> int:
        """Most images in a batch, by the worker that served last: it may learn that it can take more."""
        return self._last.facts.batch_sizes[-1] if self._last else 1

    @property
    def backend(self) -> Backend | None:
        """The backend that serves now, for measurements; requests go through `run`."""
        return self._lease.backend if self._lease else None

    @property
    def ready(self) -> bool:
        """Whether requests may be sent here: there is a warm model, and it stays."""
        return self._lease is not None and not self._lease.dead and not self._leaving

    def run(self, images: Sequence[Image]) -> Coroutine[Any, Any, list[Detections]]:
        """One batch on the backend that serves now; BackendUnavailable with the phase's reason if none does."""
        if self._lease is None:
            raise self.unavailable()
        return self._lease.detect(images)

    def unavailable(self) -> BackendUnavailable:
        """The error that says why this slot can't answer."""
        phase = self._phase
        sentence = f"the backend {self.name!r} is {phase.name}: {phase.reason}"
        return BackendUnavailable(sentence, retry_after_s=_RETRY_AFTER_S.get(phase.name))

    def stay_vacant(self, why: Vacancy, reason: str) -> None:
        """Say why nobody serves here; it changes nothing where somebody does."""
        if self._lease is None:
            self._enter(why, reason)

    async def open(self, door: Door) -> None:
        """Start a worker, let `door` look at it, publish it, then drain and end the one before it.

        CopyRefused, ModelRefused or WorkerDied if it does not come to that, NoRoom if there is not enough memory for
        two: then the old one, if there is one, serves on.
        """
        async with self._opening:
            try:
                await self._open(door, await door.spec())
            except (ModelRefused, WorkerDied) as error:
                if self._lease is None:
                    self._enter("refused" if isinstance(error, ModelRefused) else "crashed", str(error))
                raise
            except asyncio.CancelledError:
                self.stay_vacant("unavailable", "loading it was given up")
                raise

    async def _open(self, door: Door, spec: Spec) -> None:
        if self._lease is None:
            self._enter("loading", f"the model in {spec.folder.name} is being loaded and warmed up")
        elif lacking := await asyncio.to_thread(self._room, self._lease.backend):
            raise NoRoom(lacking)
        fresh = Lease(await self._start(spec), spec)
        try:
            if door.inspecting and self._lease is None:
                self._enter("loading", door.inspecting)
            await door.inspect(fresh.backend)
        except BaseException:
            await fresh.backend.close()
            raise
        stale = self._publish(fresh, door)
        if stale is not None:
            await asyncio.shield(self._spawn(self._retire(stale)))  # also when who asked for the swap gives up

    def leave(self, why: Vacancy, reason: str) -> None:
        """No request is sent here any more; what waits already is still answered, until the slot is cleared."""
        if self._lease is not None:
            self._leaving = True
            self._enter(why, reason)

    async def next_one(self) -> None:
        """Wait until another worker serves than does now."""
        await self._published.wait()

    async def clear(self, why: Vacancy, reason: str) -> None:
        """Nobody serves here any more; the worker ends when it has answered what it was given."""
        async with self._opening:
            stale, self._lease = self._lease, None
            self._cleared += 1  # what waits to be started again is not wanted any more
            self._enter(why, reason)
            if stale is not None:
                await self._retire(stale)

    async def close(self) -> None:
        """End the worker and everything the slot has under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        lease, self._lease = self._lease, None
        left = [*self._retiring, lease] if lease is not None else [*self._retiring]
        await asyncio.gather(*(each.backend.close() for each in left))

    async def _retire(self, stale: Lease) -> None:
        self._retiring.add(stale)
        with contextlib.suppress(TimeoutError):  # then what is in it fails, and is tried elsewhere
            async with asyncio.timeout(LONGEST_DRAIN_S):
                await stale.drained()
        await stale.backend.close()
        self._retiring.discard(stale)

    def _publish(self, fresh: Lease, door: Door) -> Lease | None:
        stale, self._lease, self._leaving = self._lease, fresh, False
        self._published.set()
        self._published = asyncio.Event()
        facts = fresh.backend.facts
        self.max_in_flight, self.shares, self._last = facts.batches_in_flight, facts.shares, fresh.backend
        log.info(
            "backend ready backend=%s device=%r batch_sizes=%s load_seconds=%.1f warm_seconds=%.1f",
            self.name,
            facts.device,
            facts.batch_sizes,
            facts.load_seconds,
            facts.warm_seconds,
        )
        self._enter("ready")
        self._spawn(self._watch(fresh, door))
        return stale

    async def _watch(self, lease: Lease, door: Door) -> None:
        death = await lease.backend.died()
        if lease is not self._lease:
            return  # it was swapped out and closed
        self._lease = None
        if time.monotonic() - lease.since > STEADY_S:
            self.pause_s = FIRST_PAUSE_S
        pause_s = self._failed(death)
        await lease.backend.close()
        await self._restart(door, "hung" if death.hung else "crashed", pause_s)

    def _failed(self, error: Exception) -> float:
        """Say so; the pause before the next start, which doubles each time."""
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, LONGEST_PAUSE_S)
        again = f"it is started again after {pause_s:g} s"
        if isinstance(error, CopyRefused):
            self._enter("refused", f"{error.reason}: {error}; {again}")
        else:
            self._enter("refused" if isinstance(error, ModelRefused) else "crashed", f"{error}; {again}")
        return pause_s

    async def _restart(self, door: Door, why: str, pause_s: float) -> None:
        """Start the same model again until one serves."""
        cleared = self._cleared
        while self._lease is None:
            await asyncio.sleep(pause_s)
            async with self._opening:
                if self._lease is not None or cleared != self._cleared:
                    return  # a swap put another model here meanwhile, or none is wanted
                try:
                    spec = await door.spec()
                    self._metrics.worker_restarts.labels(self.name, why).inc()
                    await self._open(door, spec)
                # It has served: files that were moved, memory that was short or whatever else may come back.
                except Exception as error:
                    if not isinstance(error, WorkerDied | ModelRefused | CopyRefused):
                        log.error("worker not started backend=%s", self.name, exc_info=error)
                    pause_s = self._failed(error)

    def _enter(self, name: PhaseName, reason: str = "") -> None:
        self._phase = Phase(name, reason)
        level = logging.WARNING if name in ("crashed", "refused") else logging.INFO
        log.log(level, "backend phase backend=%s phase=%s reason=%r", self.name, name, reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
