"""A slot: who serves now under a backend's name; swap, drain, and restart after a crash."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from app import memory
from app.backends.backend import Backend, Facts, ModelRefused, NoRoom, Spec, Starter, WorkerDied
from app.errors import BackendUnavailable
from app.images import Image
from app.lanes.lease import Lease
from app.lanes.phase import STARTING, Phase, PhaseName, Vacancy
from app.metrics import Metrics
from converter.model.detections import Detections

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a worker that lived this long starts the pauses anew
_RETRY_AFTER_S = {"loading": 5.0, "crashed": 2.0, "converting": 30.0}

Inspect = Callable[[Backend], Awaitable[None]]


def room_for_two(backend: Backend) -> str | None:
    """Why a second worker can't be started beside `backend`, or None; takes as long as `memory.lacking`."""
    return memory.lacking(backend.pid)


class Slot:
    """The place of one backend. It has one replica for now; nobody else writes its phase.

    `room` says why a second worker can't be started beside the one that serves, or None. `pause_s` goes by before
    the next start of a worker that died, and doubles each time.
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
        self.max_batch = self.max_in_flight = 1  # of the worker that served last
        self._start, self._metrics, self._room = start, metrics, room
        self._phase = STARTING
        self._lease: Lease | None = None
        self._retiring: set[Lease] = set()  # swapped out, with batches still in them
        self._opening = asyncio.Lock()
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
    def backend(self) -> Backend | None:
        """The backend that serves now, for measurements; requests go through `run`."""
        return self._lease.backend if self._lease else None

    @property
    def ready(self) -> bool:
        """Whether a batch given to `run` now would reach a warm model."""
        return self._lease is not None

    async def run(self, images: Sequence[Image]) -> list[Detections]:
        """One batch on the backend that serves now; BackendUnavailable with the phase's reason if none does."""
        if self._lease is None:
            raise self.unavailable()
        return await self._lease.detect(images)

    def unavailable(self) -> BackendUnavailable:
        """The error that says why this slot can't answer."""
        phase = self._phase
        sentence = f"the backend {self.name!r} is {phase.name}: {phase.reason}"
        return BackendUnavailable(sentence, retry_after_s=_RETRY_AFTER_S.get(phase.name))

    def stay_vacant(self, why: Vacancy, reason: str) -> None:
        """Say why nobody serves here; it changes nothing where somebody does."""
        if self._lease is None:
            self._enter(why, reason)

    async def open(self, spec: Spec, *, inspect: Inspect | None = None, inspecting: str = "") -> None:
        """Start a worker for `spec`, let `inspect` look at it, publish it, then drain and end the one before it.

        `inspecting` is the reason that an empty slot gives meanwhile.

        ModelRefused or WorkerDied if it does not start, NoRoom if there is not enough memory for two: then the old
        one, if there is one, serves on.
        """
        async with self._opening:
            try:
                await self._open(spec, inspect, inspecting)
            except (ModelRefused, WorkerDied) as error:
                if self._lease is None:
                    self._enter("refused" if isinstance(error, ModelRefused) else "crashed", str(error))
                raise
            except asyncio.CancelledError:
                self.stay_vacant("unavailable", "loading it was given up")
                raise

    async def _open(self, spec: Spec, inspect: Inspect | None = None, inspecting: str = "") -> None:
        if self._lease is None:
            self._enter("loading", f"the model in {spec.folder.name} is being loaded and warmed up")
        elif lacking := await asyncio.to_thread(self._room, self._lease.backend):
            raise NoRoom(lacking)
        fresh = Lease(await self._start(spec), spec)
        try:
            if inspect is not None:
                if inspecting and self._lease is None:
                    self._enter("loading", inspecting)
                await inspect(fresh.backend)
        except BaseException:
            await fresh.backend.close()
            raise
        stale = self._publish(fresh)
        if stale is not None:
            await asyncio.shield(self._spawn(self._retire(stale)))  # also when who asked for the swap gives up

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
        await stale.drained()
        await stale.backend.close()
        self._retiring.discard(stale)

    def _publish(self, fresh: Lease) -> Lease | None:
        stale, self._lease = self._lease, fresh
        facts = fresh.backend.facts
        self.max_batch, self.max_in_flight = facts.batch_sizes[-1], facts.batches_in_flight
        log.info(
            "backend ready backend=%s device=%r batch_sizes=%s load_seconds=%.1f warm_seconds=%.1f",
            self.name,
            facts.device,
            facts.batch_sizes,
            facts.load_seconds,
            facts.warm_seconds,
        )
        self._enter("ready")
        self._spawn(self._watch(fresh))
        return stale

    async def _watch(self, lease: Lease) -> None:
        death = await lease.backend.died()
        if lease is not self._lease:
            return  # it was swapped out and closed
        self._lease = None
        if time.monotonic() - lease.since > STEADY_S:
            self.pause_s = FIRST_PAUSE_S
        pause_s = self._crashed(death)
        await lease.backend.close()
        await self._restart(lease.spec, death, pause_s)

    def _crashed(self, death: WorkerDied) -> float:
        """Say so; the pause before the next start, which doubles each time."""
        pause_s, self.pause_s = self.pause_s, min(2 * self.pause_s, LONGEST_PAUSE_S)
        self._enter("crashed", f"{death}; it is started again after {pause_s:g} s")
        return pause_s

    async def _restart(self, spec: Spec, death: WorkerDied, pause_s: float) -> None:
        """Start the same model again until one serves or it is refused."""
        cleared = self._cleared
        while self._lease is None:
            await asyncio.sleep(pause_s)
            async with self._opening:
                if self._lease is not None or cleared != self._cleared:
                    return  # a swap put another model here meanwhile, or none is wanted
                self._metrics.worker_restarts.labels(self.name, "hung" if death.hung else "crashed").inc()
                try:
                    await self._open(spec)
                except WorkerDied as error:
                    death = error
                    pause_s = self._crashed(death)
                except ModelRefused as error:
                    self._enter("refused", str(error))
                    return

    def _enter(self, name: PhaseName, reason: str = "") -> None:
        self._phase = Phase(name, reason)
        level = logging.WARNING if name in ("crashed", "refused") else logging.INFO
        log.log(level, "backend phase backend=%s phase=%s reason=%r", self.name, name, reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
