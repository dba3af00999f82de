"""What becomes of each copy of the served model: loaded, made or refused, at start and on an admin's word."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from app.backends.backend import ModelRefused, NoRoom, WorkerDied
from app.copies.conversions import Conversions
from app.copies.doors import CopyDoor
from app.copies.folders import CopyFolders, refusal
from app.copies.jobs import Job
from app.errors import NotLoaded
from app.lanes.phase import STARTING, Phase, Vacancy
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.verdicts.judge import Judge
from converter.contract import BadOptions, CopyRefused, Options, Report
from converter.targets import kind

log = logging.getLogger(__name__)

NEW_VERSION = "a new version of the model has been loaded, and its copy is made again"
_VACANT = (STARTING, Phase("unavailable", NEW_VERSION))  # nobody has asked for anything there
_LOOKS = 3  # at a copy that another server replaces while it is loaded


class Copies:
    """Decides what is made, loaded and swapped in the slots of the copies, by target."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        folders: CopyFolders,
        conversions: Conversions,
        judge: Judge,
        metrics: Metrics,
    ) -> None:
        self.folders = folders
        self._slots, self._conversions, self._judge, self._metrics = slots, conversions, judge, metrics
        self._converting: asyncio.Task[None] | None = None

    @property
    def converting(self) -> bool:
        """Whether a copy is being made, or loaded for the first time after that."""
        return self._conversions.running is not None

    async def prepare(self) -> None:
        """At start, after native: look at each copy; load it, make it, or say why neither."""
        wanted = await self.folders.wanted_targets()
        for target, slot in self._slots.items():
            if target not in wanted and slot.phase in _VACANT:  # else an admin has asked for it meanwhile
                slot.stay_vacant("unavailable", self.folders.unwanted)
        await self.folders.settle()
        if earlier := self.folders.earlier_jobs:
            await self._conversions.adopt(*earlier)
        for target in wanted:
            await self.folders.recover(target)
            try:
                options = await self.folders.wanted_options(target)
            except BadOptions as error:
                self._slots[target].stay_vacant("unavailable", f"bad_options: {error}")
                continue
            if await self._needed(options) and self.folders.plan.convert:
                await self._make(options)

    def convert(self, options: Options) -> Job:
        """Begin to make a copy and swap it in; the running job if it has the same options.

        ConversionRunning if one with other options runs.
        """
        running = self._conversions.running
        if running is not None and running.options == options:
            return running
        job = self._conversions.begin(options)
        self._converting = asyncio.create_task(self._convert(job))
        return job

    async def converted(self) -> None:
        """Wait until no conversion runs."""
        if self._converting is not None:
            await asyncio.wait([self._converting])

    async def cancel(self, job_id: str) -> Job:
        """End the job if it runs, and forget it if it has ended; NotFound if there is none."""
        job = self._conversions.job(job_id)
        if job.running:
            job.cancelled = True
            await self.close()
        else:
            self._conversions.forget(job)
        return job

    async def close(self) -> None:
        """End the running conversion and its process."""
        if self._converting is not None:
            if not self._converting.cancelling():  # a second time would cut off the end of its process
                self._converting.cancel()
            await self.converted()
        if job := self._conversions.running:  # it was cancelled before it began
            self._conversions.abandon(job)
            self._say_why_vacant(job)

    async def reload(self, target: str) -> None:
        """Load the copy again from its folder, on an admin's word; NotLoaded with the reason if it can't be."""
        try:
            if not self.folders.location(target).is_dir():
                raise NotLoaded(f"there is no {target} copy at {self.folders.location(target).name}")
            await self.load(await self.folders.wanted_options(target))
        except (BadOptions, CopyRefused, ModelRefused, WorkerDied, NoRoom) as error:
            before = (
                "what served before goes on serving" if self._slots[target].ready else "nothing serves in its place"
            )
            raise NotLoaded(f"the {target} copy can't be loaded: {error}; {before}") from error

    async def load(self, options: Options) -> dict[str, Any]:
        """Load the copy that was made with these options; the one that serves is swapped out. What the gate says of it.

        CopyRefused, ModelRefused, WorkerDied or NoRoom if it can't be loaded: then what served before serves on.
        """
        target = options.target
        for _ in range(_LOOKS):
            door = CopyDoor(options, self.folders, self._judge)
            await self._slots[target].open(door)
            await self._slots[target].filled()  # what is judged next is not disturbed
            if await self.folders.unchanged(target, door.report):
                self.folders.keep(options)
                break  # else another server put a new copy there meanwhile, and which files were loaded nobody knows
        self._show(target, door.report)
        return self._judge.standing(target).to_json()

    async def _needed(self, options: Options) -> bool:
        """Load the copy if it may be loaded; whether one should be made instead."""
        target = options.target
        slot = self._slots[target]
        try:  # its files are looked at first, on any machine: what is no copy is never loaded
            exists = await self.folders.check_kind(target)
        except CopyRefused as error:
            slot.stay_vacant("refused", refusal(error))
            return (await self.folders.availability(target)).available
        available = await self.folders.availability(target)
        if not available.available:
            slot.stay_vacant("unavailable", f"{available.code}: {available.reason}")
            return False
        if not exists:
            running = self._conversions.running
            if running is None or running.options.target != target:  # else an admin was quicker
                slot.stay_vacant("unavailable", "no copy has been made yet")
            return True
        return not await self._loaded(options)

    async def _loaded(self, options: Options) -> bool:
        slot = self._slots[options.target]
        try:
            await self.load(options)
        except CopyRefused as error:
            slot.stay_vacant("refused", refusal(error))
        except ModelRefused as error:
            slot.stay_vacant("refused", f"does_not_run: {error}")
        except (WorkerDied, NoRoom):
            pass  # the slot has said so, or what an admin had loaded serves on
        return slot.ready

    async def _make(self, options: Options) -> None:
        while self._conversions.running:  # an admin was quicker
            await self.converted()
        if not self._slots[options.target].ready:  # else the admin had it made
            self.convert(options)
            await self.converted()

    async def _convert(self, job: Job) -> None:
        target = job.options.target
        self._slots[target].stay_vacant("converting", f"the copy is being made (job {job.id})")
        try:
            async with self._conversions.tracked(job):
                standard = self.folders.default_options(target)
                await self._conversions.run(job, self.folders.source, self.folders.location(target), standard=standard)
                if job.running:
                    job.report = {**(job.report or {}), "gate": await self.load(job.options)}
                    self._conversions.end(job, "succeeded")
        finally:
            self._say_why_vacant(job)

    def _say_why_vacant(self, job: Job) -> None:
        """A conversion has ended: an empty slot says why it stays empty, unless loading has said so already."""
        slot = self._slots[job.options.target]
        if slot.phase.name == "converting":
            why: Vacancy = "refused" if job.state == "refused" else "unavailable"
            slot.stay_vacant(why, f"making the copy ended: {job.reason}")

    def _show(self, target: str, report: Report | None) -> None:
        if kind(target).has_engines and report is not None:
            operations = report.facts.get("operations") or 0
            converted = report.facts.get("operations_converted", 0)
            self._metrics.trt_engines.set(report.facts.get("engines", 0))
            self._metrics.trt_converted_ops.set(converted / operations if operations else 0)
