"""A new version of the model takes the place of the one that serves: swapped like a copy, its copies made again."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.backends.backend import Backend, ModelRefused, NoRoom, Spec, WorkerDied
from app.copies.conversions import Conversions
from app.copies.copies import Copies
from app.errors import ConversionRunning, NotLoaded
from app.lanes.lane import Lane
from app.model_folder import Model, NoModel
from app.verdicts.judge import Judge
from app.verdicts.routing import AUTO, NATIVE, Election
from converter.disk import publish

log = logging.getLogger(__name__)

_LATER = "a new version of the model has been loaded, and its copy is made again"


@dataclass(slots=True)
class Served:
    """Which model is served now, and those that were served before: answers under way may be theirs."""

    now: Model
    sha256: str  # of its files
    known: dict[str, Model] = field(default_factory=dict)

    def of(self, version: str) -> Model:
        """The model of an answer, by the version that it carries."""
        return self.known.get(version, self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """What looks after copies of the model that is served."""

    copies: Copies
    conversions: Conversions
    judge: Judge


class Versions:
    """Loads the newest version on an admin's word."""

    def __init__(
        self,
        served: Served,
        election: Election,
        followers: Followers,
        *,
        find: Callable[[], Model],
        spec: Callable[[Model], Spec],
        loaded: Callable[[Model], None],
    ) -> None:
        self.served, self._election, self._followers = served, election, followers
        self._find, self._spec, self._loaded = find, spec, loaded
        self._alone = asyncio.Lock()
        self._making: asyncio.Task[None] | None = None

    async def load_newest(self) -> None:
        """Swap the newest version in; NotLoaded with the reason if that can't be: then the old one serves on."""
        async with self._alone:
            if self._followers.conversions.running:
                raise ConversionRunning("a conversion of the version that serves runs; wait for it or end it")
            try:
                model = await asyncio.to_thread(self._find)
            except NoModel as error:
                raise NotLoaded(str(error)) from error
            if model.folder == self.served.now.folder:
                raise NotLoaded(f"version {model.version} is the newest there is, and is served already")
            await self._swap(model)

    async def close(self) -> None:
        """End what is under way."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def _swap(self, model: Model) -> None:
        spec = self._spec(model)
        digest = await asyncio.to_thread(publish.source_sha256, model.folder)

        async def make_way(_: Backend) -> None:
            self.served.known[model.version] = model
            await self._set_aside()

        before = self.served.now.version
        try:
            await self._election.lanes[NATIVE].slot.open(spec, inspect=make_way)
        except (ModelRefused, WorkerDied, NoRoom) as error:
            raise NotLoaded(f"version {model.version} can't be loaded: {error}; {before} serves on") from error
        self.served.now, self.served.sha256 = model, digest
        self._followers.copies.follow(spec)
        self._followers.conversions.follow(model.folder)
        self._followers.judge.follow(spec)
        self._loaded(model)
        log.info("version loaded version=%s before=%s", model.version, before)
        self._making = asyncio.create_task(self._make_copies())

    async def _set_aside(self) -> None:
        """Copies of the old version answer nobody any more; what they have begun they end."""
        if self._election.chosen not in (AUTO, NATIVE):
            self._election.choose(AUTO)
        for lane in self._copies():
            if lane.slot.ready:
                self._election.judged(lane.slot.name, None, _LATER)
                await lane.batcher.rests()
            await lane.slot.clear("unavailable", _LATER)

    def _copies(self) -> Sequence[Lane]:
        return [self._election.lanes[name] for name in self._election.copies]

    async def _make_copies(self) -> None:
        try:
            await self._followers.copies.prepare(self._followers.conversions)
        # Copies are extras: whatever goes wrong with them is told, and native serves on.
        except Exception as error:
            log.error("copies failed", exc_info=error)


def served(model: Model) -> Served:
    """The model with which the server starts."""
    folder: Path = model.folder
    return Served(model, publish.source_sha256(folder), {model.version: model})
