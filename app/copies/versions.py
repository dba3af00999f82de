"""A new version of the model takes the place of the one that serves: swapped like a copy, its copies made again."""

import asyncio
import logging
from pathlib import Path

from app import model_folder
from app.backends.backend import Backend, ModelRefused, NoRoom, WorkerDied
from app.backends.served import Served
from app.choices import AUTO, NATIVE
from app.copies.copies import Copies
from app.errors import ConversionRunning, NotLoaded
from app.model_folder import Model, NoModel
from app.verdicts.routing import Routing
from converter.disk import publish

log = logging.getLogger(__name__)

_LATER = "a new version of the model has been loaded, and its copy is made again"


class Versions:
    """Loads the newest version in the folder `versions` on an admin's word; `labels` is as in `model_folder.find`."""

    def __init__(
        self, served: Served, routing: Routing, copies: Copies, *, versions: Path, labels: Path | None
    ) -> None:
        self._served, self._routing, self._copies = served, routing, copies
        self._folder, self._labels = versions, labels
        self._loading = asyncio.Lock()
        self._making: asyncio.Task[None] | None = None

    async def load_newest(self) -> None:
        """Swap the newest version in; NotLoaded with the reason if that can't be: then the old one serves on."""
        async with self._loading:
            if self._copies.converting:
                raise ConversionRunning("a conversion of the version that serves runs; wait for it or end it")
            try:
                model = await asyncio.to_thread(model_folder.find, self._folder, self._labels)
            except NoModel as error:
                raise NotLoaded(str(error)) from error
            if model.folder == self._served.now.folder:
                raise NotLoaded(f"version {model.version} is the newest there is, and is served already")
            await self._swap(model)

    async def close(self) -> None:
        """End what is under way."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    async def _swap(self, model: Model) -> None:
        digest = await asyncio.to_thread(publish.source_sha256, model.folder)

        async def make_way(_: Backend) -> None:
            self._served.admit(model)
            await self._set_copies_aside()

        before = self._served.now.version
        try:
            await self._routing.lanes[NATIVE].slot.open(self._served.spec_of(model), inspect=make_way)
        except (ModelRefused, WorkerDied, NoRoom) as error:
            raise NotLoaded(f"version {model.version} can't be loaded: {error}; {before} serves on") from error
        self._served.switch_to(model, digest)
        log.info("version loaded version=%s before=%s", model.version, before)
        await self.close()  # what was being made of the version before
        self._making = asyncio.create_task(self._make_copies())

    async def _set_copies_aside(self) -> None:
        """Copies of the old version answer nobody any more; what they have begun they end."""
        if self._routing.chosen not in (AUTO, NATIVE):
            self._routing.choose(AUTO)
        for name in self._routing.copies:
            lane = self._routing.lanes[name]
            self._routing.record_verdict(name, None, _LATER)
            if lane.slot.ready:
                await lane.batcher.wait_until_idle()
            await lane.slot.clear("unavailable", _LATER)

    async def _make_copies(self) -> None:
        try:
            await self._copies.prepare()
        # Copies are extras: whatever goes wrong with them is told, and native serves on.
        except Exception as error:
            log.error("copies failed", exc_info=error)
