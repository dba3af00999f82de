"""A new version of the model takes the place of the one that serves: swapped like a copy, its copies made again."""

import asyncio
import logging

from app.backends.backend import Backend, ModelRefused, NoRoom, Spec, WorkerDied
from app.backends.served import Served
from app.choices import AUTO, NATIVE
from app.copies.copies import NEW_VERSION, Copies
from app.copies.doors import NativeDoor, digest
from app.copies.naming import named
from app.errors import ConversionRunning, NotLoaded
from app.lanes.lane import Lane
from app.lanes.quiet import wait_until_idle
from app.lanes.slot import LONGEST_DRAIN_S
from app.model_folder import Model, NoModel, Place
from app.verdicts.routing import Routing
from converter.disk.hashes import FileHash

log = logging.getLogger(__name__)

NEWEST = "newest"


class Versions:
    """Loads versions at `place` on an admin's word: the newest, or one that is then pinned."""

    def __init__(self, served: Served, routing: Routing, copies: Copies, *, place: Place) -> None:
        self._served, self._routing, self._copies = served, routing, copies
        self._place = place
        self._native = routing.lanes[NATIVE].slot
        self._loading = asyncio.Lock()
        self._making: asyncio.Task[None] | None = None
        self.pinned: str | None = None  # the version that an admin named

    async def known(self) -> list[str]:
        """The versions that lie there, the newest first."""
        try:
            return await asyncio.to_thread(self._place.versions) or [self._served.now.version]
        except NoModel:  # it is gone, and what was loaded of it serves on
            return [self._served.now.version]

    async def open(self) -> None:
        """Load the served model; ModelRefused or WorkerDied if it can't be."""
        door = _SameVersion(self._served)
        try:
            await self._native.open(door)
        finally:
            self._served.sha256 = door.sha256

    async def complete(self) -> None:
        """Wait until each of native's replicas serves, or has failed to start once."""
        await self._native.filled()

    async def load(self, version: str | None = None) -> None:
        """Swap a version in and pin it, or with NEWEST unpin; by itself the pinned one, else the newest.

        What is served already is loaded if it does not serve. NotLoaded with the reason if that can't be: then the old
        one serves on, and stays pinned if it was.
        """
        wanted = self.pinned if version is None else None if version == NEWEST else version
        async with self._loading:
            if self._copies.converting:
                raise ConversionRunning("a conversion of the version that serves runs; wait for it or end it")
            try:
                model = await asyncio.to_thread(self._place.find, wanted)
                sha256 = await digest(model.folder, self._served.file_hash)
                await self._load(model, sha256, changes_pin=wanted != self.pinned)
                self.pinned = wanted
            except NoModel as error:
                raise NotLoaded(self._named(str(error))) from error
            except (ModelRefused, WorkerDied, NoRoom) as error:
                ready = self._native.ready
                before = f"{self._served.now.version} goes on serving" if ready else "nothing serves in its place"
                raise NotLoaded(f"version {model.version} can't be loaded: {error}; {before}") from error

    def _named(self, sentence: str) -> str:
        """The sentence without where the folders lie: it was made for whoever starts the server."""
        for path in (self._place.path, self._place.labels):
            sentence = sentence.replace(str(path), path.name) if path else sentence
        return sentence

    async def _load(self, model: Model, sha256: str, *, changes_pin: bool) -> None:
        served_as = self._served.sha256 or sha256  # while it is hashed at the start it is what is there
        if (model.folder, sha256) != (self._served.now.folder, served_as):
            await self._swap(model, sha256)
        elif self._native.ready and not changes_pin:
            which = "the newest there is" if self.pinned is None else f'pinned (ask for "{NEWEST}" to unpin it)'
            raise NotLoaded(f"version {model.version} is {which}, and is served already")
        elif not self._native.ready:
            await self.open()

    async def close(self) -> None:
        """End what is under way."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def _swap(self, model: Model, sha256: str) -> None:
        before = self._served.now.version
        await self._native.open(_NewVersion(self, model, self._served.spec_of(model), sha256, self._served.file_hash))
        log.info("version loaded version=%s before=%s", model.version, before)
        await self.close()  # what was being made of the version before
        self._making = asyncio.create_task(self._make_copies())

    async def make_way(self, model: Model, sha256: str) -> None:
        """This model is served from now on; copies of the old one answer nobody any more."""
        self._served.admit(model)
        if self._routing.chosen not in (AUTO, NATIVE):
            self._routing.choose(AUTO)
        copies = [self._routing.lanes[name] for name in self._routing.copies]
        for lane in copies:  # first nothing new goes there: under load they would never come to rest
            self._routing.record_verdict(lane.slot.name, None, NEW_VERSION)
            lane.slot.leave("unavailable", NEW_VERSION)
        await asyncio.gather(*(_set_aside(lane) for lane in copies))
        self._served.switch_to(model, sha256)

    async def _make_copies(self) -> None:
        try:
            await self.complete()
            await self._copies.prepare()
        # Copies are extras: whatever goes wrong with them is told, and native serves on.
        except Exception as error:
            log.error("copies failed", exc_info=error)


class _SameVersion(NativeDoor):
    """Settles the labels of the model that is served from the start."""

    def __init__(self, served: Served) -> None:
        super().__init__(served.spec, served.sha256, served.file_hash)
        self._served, self._model = served, served.now

    async def inspect(self, fresh: Backend, /) -> None:
        """Until they are settled."""
        if self._served.now is self._model:
            self._served.name(await named(self._model, fresh))


class _NewVersion(NativeDoor):
    """Has the old version's copies make way before the new one is published."""

    def __init__(self, versions: Versions, model: Model, spec: Spec, sha256: str, file_hash: FileHash) -> None:
        super().__init__(spec, sha256, file_hash)
        self._versions, self._model, self._served_as = versions, model, sha256
        self._serves = False

    async def inspect(self, fresh: Backend, /) -> None:
        """The first time it is let in."""
        if not self._serves:
            await self._versions.make_way(await named(self._model, fresh), self._served_as)
            self._serves = True


async def _set_aside(lane: Lane) -> None:
    """What waits there is answered, or tried elsewhere if that takes too long."""
    await wait_until_idle([lane.batcher], within_s=LONGEST_DRAIN_S)
    await lane.slot.clear("unavailable", NEW_VERSION)
