"""A slot: who serves now under a backend's name; all of its workers are opened, swapped and drained together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.backends.backend import ModelRefused, NoRoom, Spec, WorkerDied
from app.lanes.door import Door
from app.lanes.lease import Lease
from app.lanes.phase import PhaseName, Vacancy
from app.lanes.replica import Replica
from app.lanes.workers import Workers

# For what a worker still has when it is not needed any more: as long as a request waits where nobody says otherwise.
LONGEST_DRAIN_S = 30.0


class Slot(Workers):
    """The place of one backend's workers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._retiring: set[Lease] = set()  # swapped out, with batches still in them
        self._tasks: set[asyncio.Task[None]] = set()
        self._filling: asyncio.Task[None] | None = None

    def stay_vacant(self, why: Vacancy, reason: str) -> None:
        """Say why nobody serves here; it changes nothing where somebody does."""
        if not self.serving():
            self._enter(why, reason)

    async def open(self, door: Door) -> None:
        """Start workers, let `door` look at one, publish them, then drain and end those before them.

        CopyRefused, ModelRefused or WorkerDied if it does not come to that, NoRoom if there is not enough memory
        beside those that serve: then these serve on. An empty slot is open with its first worker; see `filled`.
        """
        async with self._undisturbed():
            try:
                spec = await door.spec()
                await (self._swap(door, spec) if self.serving() else self._open(door, spec))
            except (ModelRefused, WorkerDied) as error:
                if not self.serving():
                    self._enter("refused" if isinstance(error, ModelRefused) else "crashed", str(error))
                raise
            except asyncio.CancelledError:
                self.stay_vacant("unavailable", "loading it was given up")
                raise

    async def filled(self) -> None:
        """Wait until each replica serves, or has failed to start once."""
        if self._filling is not None:
            await asyncio.wait([self._filling])

    async def _open(self, door: Door, spec: Spec) -> None:
        first, *others = self.replicas
        await first.open(door, spec)
        self._leaving = False
        self._fill_later(others, door)

    async def _swap(self, door: Door, spec: Spec) -> None:
        """As many as there is room for are warm before it, and the others come when the old ones have gone."""
        first, *others = self.replicas
        fresh: dict[Replica, Lease] = {}
        try:
            fresh[first] = await first.start(spec)
            for replica in others:
                with contextlib.suppress(NoRoom, ModelRefused, WorkerDied):
                    fresh[replica] = await replica.start(spec)
            await door.inspect(fresh[first].backend)
        except BaseException:
            await asyncio.gather(*(each.backend.close() for each in fresh.values()))
            raise
        stale = [lease for each in self.replicas if (lease := each.vacate())]
        for replica, lease in fresh.items():
            replica.publish(lease, door)
        self._leaving = False
        retiring = self._spawn(self._retire(*stale))
        self._fill_later([each for each in others if each not in fresh], door, after=retiring)
        await asyncio.shield(retiring)  # also when who asked for the swap gives up

    def leave(self, why: Vacancy, reason: str) -> None:
        """No request is sent here any more; what waits already is still answered, until the slot is cleared."""
        if self.serving():
            self._leaving = True
            self._enter(why, reason)

    async def clear(self, why: Vacancy, reason: str) -> None:
        """Nobody serves here any more; the workers end when they have answered what they were given."""
        async with self._undisturbed():
            stale = [lease for each in self.replicas if (lease := each.vacate())]
            self._enter(why, reason)
            await self._retire(*stale)

    async def close(self) -> None:
        """End the workers and everything the slot has under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self.replicas))
        await asyncio.gather(*(each.backend.close() for each in self._retiring))

    async def _retire(self, *stale: Lease) -> None:
        self._retiring.update(stale)
        with contextlib.suppress(TimeoutError):  # then what is in them fails, and is tried elsewhere
            async with asyncio.timeout(LONGEST_DRAIN_S):
                for each in stale:
                    await each.drained()
        await asyncio.gather(*(each.backend.close() for each in stale))
        self._retiring.difference_update(stale)

    def _fill_later(
        self, replicas: Sequence[Replica], door: Door, *, after: "asyncio.Task[None] | None" = None
    ) -> None:
        """Start workers in the places that are empty now, one after the other: each sees what memory is left."""
        for each in replicas:
            each.vacate()
            each.enter("loading", "it is started after those before it")
        if replicas:
            turns = {each: each.turn for each in replicas}  # of now: a later swap may be done before it comes to some
            self._filling = self._spawn(self._fill(turns, door, after))

    async def _fill(self, turns: Mapping[Replica, int], door: Door, after: "asyncio.Task[None] | None") -> None:
        if after is not None:
            await asyncio.wait([after])
        for each, turn in turns.items():
            await each.fill(door, turn)

    @asynccontextmanager
    async def _undisturbed(self) -> AsyncIterator[None]:
        """No replica starts a worker by itself while the block runs."""
        async with AsyncExitStack() as stack:
            for each in self.replicas:
                await stack.enter_async_context(each.starting)
            yield

    def _enter(self, name: PhaseName, reason: str) -> None:
        for each in self.replicas:
            each.enter(name, reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
