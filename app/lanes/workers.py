"""A backend's workers behind one name: which of them gets a batch, and what they are together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from app import memory
from app.backends.backend import Backend, Facts, Starter
from app.backends.placement import Placement
from app.errors import BackendUnavailable
from app.images import Image
from app.lanes.lease import Lease
from app.lanes.phase import Phase, PhaseName
from app.lanes.replica import Replica
from app.lanes.runner import Run
from app.metrics import Metrics
from converter.model.detections import Detections

_RETRY_AFTER_S = {"loading": 5.0, "crashed": 2.0, "converting": 30.0}
# What a backend does of what its replicas do: the first of these that one of them does.
_HOPES: Sequence[PhaseName] = ("ready", "loading", "crashed", "converting", "refused", "unavailable")

Room = Callable[[Backend, bool], str | None]


def room_beside(backend: Backend, same_gpu: bool) -> str | None:
    """Why a worker like `backend` can't be started beside it, on its GPU or on another one; None if it can.

    Takes as long as `memory.lacking`.
    """
    return memory.lacking(backend.pid, with_gpu=same_gpu)


@dataclass(eq=False)
class Workers:
    """A replica for each of `placements`, which all serve the same model (see `BatchRunner`).

    A batch goes to the one that has most places free. One that dies is started again by itself, and the others go on.
    `room` says why a worker can't be started beside one that serves, or None.
    """

    name: str
    start: Starter
    metrics: Metrics
    placements: Sequence[Placement] = field(default=(Placement(),), kw_only=True)
    room: Room = field(default=room_beside, kw_only=True)

    def __post_init__(self) -> None:
        self.max_in_flight, self.shares = 1, False  # of those that serve, or served last
        self.replicas = [Replica(self, each) for each in self.placements]
        self._last: list[Lease] = []  # those that serve, or served last
        self._leaving = False  # what waits is answered, and nothing new is sent here
        self._changed = asyncio.Event()  # set, and another one put in its place, whenever others serve

    @property
    def phase(self) -> Phase:
        """What the backend does: it is ready if one of its replicas is."""
        return min((each.phase for each in self.replicas), key=lambda phase: _HOPES.index(phase.name))

    @property
    def facts(self) -> Facts | None:
        """What a serving worker said of its model; None while none serves."""
        return self.backend.facts if self.backend else None

    @property
    def max_batch(self) -> int:
        """Most images in a batch, by the workers that served last: they may learn that they can take more."""
        return min([lease.facts.batch_sizes[-1] for lease in self._last], default=1)

    @property
    def backend(self) -> Backend | None:
        """A worker that serves now, for measurements; requests go through `run`."""
        serving = self.serving()
        return max(serving.values(), key=lambda lease: not lease.dead).backend if serving else None

    @property
    def ready(self) -> bool:
        """Whether requests may be sent here: there is a warm model, and it stays."""
        if self._leaving:
            return False
        for replica in self.replicas:  # noqa: SIM110  # any() costs more, and each request asks several times
            if replica.lease is not None and not replica.lease.dead:
                return True
        return False

    def run(self, images: Sequence[Image]) -> Coroutine[Any, Any, list[Detections]]:
        """One batch on a worker that serves now; BackendUnavailable with the phase's reason if none does."""
        serving = self.serving()
        leases = [lease for each, lease in serving.items() if not each.reserved]
        if not serving:
            raise self.unavailable()
        # Only a batch that is repaired comes while all are reserved.
        return max(leases or serving.values(), key=_fitness).detect(images)

    def alone(self) -> "Alone":
        """A worker that is sent nothing else, while the others go on (see `BatchRunner`)."""
        serving = self.serving()
        return Alone(self, max(serving, key=lambda each: _fitness(serving[each]), default=None))

    def serving(self) -> dict[Replica, Lease]:
        """The replicas that have a worker now, and these."""
        return {each: each.lease for each in self.replicas if each.lease is not None}

    def unavailable(self) -> BackendUnavailable:
        """The error that says why this backend can't answer."""
        phase = self.phase
        sentence = f"the backend {self.name!r} is {phase.name}: {phase.reason}"
        return BackendUnavailable(sentence, retry_after_s=_RETRY_AFTER_S.get(phase.name))

    async def next_one(self) -> None:
        """Wait until others serve than do now."""
        await self._changed.wait()

    def count(self) -> None:
        """Take note of who serves now, and who is reserved."""
        serving = self.serving()
        if serving and [*serving.values()] != self._last:
            self._last = [*serving.values()]
            self.shares = self._last[0].facts.shares
            self._changed.set()
            self._changed = asyncio.Event()
        if serving:
            free = [lease for each, lease in serving.items() if not each.reserved]
            self.max_in_flight = sum(lease.facts.batches_in_flight for lease in free)
        else:  # what waits must be told so, and not wait for places
            self.max_in_flight = max(1, sum(lease.facts.batches_in_flight for lease in self._last))

    async def lacking(self, placement: Placement) -> str | None:
        """Why there is no room for one more worker in this place; None if there is, or if none serves beside it."""
        serving = self.serving()
        if not serving:
            return None
        nearest = max(serving, key=lambda each: each.placement.gpu == placement.gpu)
        same_gpu = nearest.placement.gpu == placement.gpu
        return await asyncio.to_thread(self.room, serving[nearest].backend, same_gpu)


class Alone(AbstractAsyncContextManager[Run]):
    """The block in which a batch runs with nothing beside it; without a replica there is nobody to run it."""

    def __init__(self, workers: Workers, replica: Replica | None) -> None:
        self._workers, self._replica = workers, replica
        self._reserve(True)

    async def __aenter__(self) -> Run:
        if self._replica is None or self._replica.lease is None:
            return self._workers.run
        lease = self._replica.lease
        await lease.drained()
        return lease.detect

    async def __aexit__(self, *_: object) -> None:
        self._reserve(False)

    def _reserve(self, reserved: bool) -> None:
        if self._replica is not None:
            self._replica.reserved = reserved
            self._workers.count()


def _fitness(lease: Lease) -> tuple[bool, int]:
    """By this leases are ranked for a batch."""
    return not lease.dead, lease.free_places
