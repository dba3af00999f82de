"""A slot: who serves now under a backend's name, in which state and why; swap, drain, and restart after a crash."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from app.backends.backend import Backend, Facts, ModelRefused, NoRoom, Spec, Starter, WorkerDied
from app.errors import BackendUnavailable
from app.images import Image
from converter.model.detections import Detections

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a worker that lived this long starts the pauses anew

Inspect = Callable[[Backend], Awaitable[None]]


class Lease:
    """A warm backend, how many batches it has in it, and when it is free of them."""

    def __init__(self, backend: Backend, spec: Spec) -> None:
        self.backend, self.spec = backend, spec
        self.since = time.monotonic()
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Run one batch, counted."""
        self._users += 1
        self._idle.clear()
        try:
            found = await self.backend.detect(images)
            return [replace(each, version=self.spec.version) for each in found] if self.spec.version else found
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def drained(self) -> None:
        """Wait until no batch is in it."""
        await self._idle.wait()


class Slot:
    """The place of one backend.

    `changed` is called with the slot after every change of state, `restarting` with `crashed` or `hung` before a
    worker that died is started again. `room` says why a second worker can't be started beside the one that serves,
    or None.
    """

    def __init__(
        self,
        name: str,
        start: Starter,
        *,
        changed: Callable[["Slot"], None] = lambda slot: None,
        restarting: Callable[[str], None] = lambda reason: None,
        room: Callable[[Backend], str | None] = lambda backend: None,
    ) -> None:
        self.name = name
        self.state, self.reason = "loading", "the server is starting"
        self._start, self._changed, self._restarting, self._room = start, changed, restarting, room
        self._resting = ("standby", "it has not been compared with native yet")
        self._lease: Lease | None = None
        self._retiring: set[Lease] = set()  # swapped out, with batches still in them
        self._opening = asyncio.Lock()
        self._pause_s = FIRST_PAUSE_S
        self._tasks: set[asyncio.Task[None]] = set()

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

    def set_state(self, state: str, reason: str = "") -> None:
        """Say what the slot is now and why; while a warm backend serves, only `rest_as` changes that."""
        self.state, self.reason = state, reason
        log.info("backend state backend=%s state=%s reason=%r", self.name, state, reason)
        self._changed(self)

    def rest_as(self, state: str, reason: str = "") -> None:
        """The state that this slot has whenever a warm backend serves in it: `active` or `standby`."""
        if self._resting == (state, reason):
            return
        self._resting = (state, reason)
        if self._lease:
            self.set_state(*self._resting)

    async def run(self, images: Sequence[Image]) -> list[Detections]:
        """One batch on the backend that serves now; BackendUnavailable with the state's reason if none does."""
        if self._lease is None:
            raise self.unavailable()
        return await self._lease.detect(images)

    def unavailable(self) -> BackendUnavailable:
        """The error that says why this slot can't answer."""
        retry = {"loading": 5.0, "crashed": 2.0, "converting": 30.0}.get(self.state)
        return BackendUnavailable(f"the backend {self.name!r} is {self.state}: {self.reason}", retry_after_s=retry)

    async def open(self, spec: Spec, *, inspect: Inspect | None = None) -> None:
        """Start a worker for `spec`, let `inspect` look at it, publish it, then drain and end the one before it.

        ModelRefused or WorkerDied if it does not start, NoRoom if there is not enough memory for two: then the old
        one, if there is one, serves on.
        """
        async with self._opening:
            try:
                await self._open(spec, inspect)
            except (ModelRefused, WorkerDied) as error:
                if self._lease is None:
                    self.set_state("refused" if isinstance(error, ModelRefused) else "crashed", str(error))
                raise
            except asyncio.CancelledError:
                if self._lease is None:
                    self.set_state("unavailable", "loading it was given up")
                raise

    async def _open(self, spec: Spec, inspect: Inspect | None = None) -> None:
        if self._lease is None:
            self.set_state("loading", f"the model in {spec.folder.name} is being loaded and warmed up")
        elif lacking := await asyncio.to_thread(self._room, self._lease.backend):
            raise NoRoom(lacking)
        fresh = Lease(await self._start(spec), spec)
        try:
            if inspect is not None:
                await inspect(fresh.backend)
        except BaseException:
            await fresh.backend.close()
            raise
        stale = self._publish(fresh)
        if stale is not None:
            await asyncio.shield(self._spawn(self._retire(stale)))  # also when who asked for the swap gives up

    async def clear(self, state: str, reason: str) -> None:
        """Nobody serves here any more; the worker ends when it has answered what it was given."""
        async with self._opening:
            stale, self._lease = self._lease, None
            self.set_state(state, reason)
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
        log.info(
            "backend ready backend=%s device=%r batch_sizes=%s load_seconds=%.1f warm_seconds=%.1f",
            self.name,
            facts.device,
            facts.batch_sizes,
            facts.load_seconds,
            facts.warm_seconds,
        )
        self.set_state(*self._resting)
        self._spawn(self._watch(fresh))
        return stale

    async def _watch(self, lease: Lease) -> None:
        death = await lease.backend.died()
        if lease is not self._lease:
            return  # it was swapped out and closed
        self._lease = None
        if time.monotonic() - lease.since > STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        pause_s = self._crashed(death)
        await lease.backend.close()
        await self._restart(lease.spec, death, pause_s)

    def _crashed(self, death: WorkerDied) -> float:
        """Say so; the pause before the next start, which doubles each time."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_PAUSE_S)
        self.set_state("crashed", f"{death}; it is started again after {pause_s:g} s")
        return pause_s

    async def _restart(self, spec: Spec, death: WorkerDied, pause_s: float) -> None:
        """Start the same model again until one serves or it is refused."""
        while self._lease is None:
            await asyncio.sleep(pause_s)
            async with self._opening:
                if self._lease is not None:
                    return  # a swap put another model here meanwhile
                self._restarting("hung" if death.hung else "crashed")
                try:
                    await self._open(spec)
                except WorkerDied as error:
                    death = error
                    pause_s = self._crashed(death)
                except ModelRefused as error:
                    self.set_state("refused", str(error))
                    return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
