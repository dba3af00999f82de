"""What becomes of each copy: refused, unavailable, loaded or made, at start and after a conversion."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from app.backends.backend import Backend, ModelRefused, NoRoom, Spec, WorkerDied
from app.copies.conversions import Conversions
from app.copies.jobs import Job
from app.copy_names import in_order, wanted_on
from app.errors import NotLoaded
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.verdicts.judge import Judge
from converter.comparison import probe
from converter.contract import BadOptions, CopyRefused, Options, Report
from converter.disk import publish
from converter.machine import environment
from converter.machine.environment import Availability, Environment
from converter.run import identify
from converter.targets import kind

log = logging.getLogger(__name__)

UNVERIFIED = "unverified: it has no report.json that says what it was made from"
_LOOKS = 3  # at a copy that another server replaces while it is loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How copies are to be had."""

    wanted: Sequence[str] | None  # targets, in the order in which they are loaded or made; None: by the machine
    convert: bool  # make those that are missing or refused
    precision: str
    calibration_images: Path | None  # for INT8
    spec: Spec  # of native: the copies' differ in name, folder and sizes


class Copies:
    """Looks after the slots of the copies of one model."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        plan: Plan,
        metrics: Metrics,
        *,
        location: Callable[[Path, str], Path],
        judge: Judge,
        ask: Callable[[], Awaitable[Environment]] = lambda: asyncio.to_thread(environment.probe),
    ) -> None:
        self._slots, self._plan, self._metrics = slots, plan, metrics
        self._place, self._judge, self._ask = location, judge, ask
        self._environment: Environment | None = None

    def follow(self, spec: Spec) -> None:
        """From now on the copies are those of another version, run as `spec` says."""
        self._plan = replace(self._plan, spec=spec)

    def _location(self, target: str) -> Path:
        return self._place(self._plan.spec.folder, target)

    async def prepare(self, conversions: Conversions) -> None:
        """At start, after native: look at each copy; load it, make it, or say why neither."""
        wanted = await self._wanted()
        for target, slot in self._slots.items():
            if target not in wanted:
                slot.set_state("unavailable", "it is not among the copies asked for (DETECTOR_COPIES)")
        for target in in_order(wanted):
            await asyncio.to_thread(publish.recover, self._location(target))
            try:
                options = conversions.wanted(target)
            except BadOptions as error:
                self._slots[target].set_state("unavailable", f"bad_options: {error}")
                continue
            if await self._needed(options) and self._plan.convert:
                await self._make(options, conversions)

    async def adopt(self, options: Options) -> dict[str, Any]:
        """Load the copy that a conversion with these options has put in place; the one that serves is swapped out.

        What the gate says of it, as plain data. CopyRefused, ModelRefused, WorkerDied or NoRoom if it can't be loaded:
        then what served before serves on.
        """
        target = options.target
        for _ in range(_LOOKS):
            report = await self._checked(options)
            await self._slots[target].open(self._spec(target, report), inspect=partial(self._inspect, report))
            if await asyncio.to_thread(_read, self._location(target)) == report:
                break  # else another server put a new copy there meanwhile, and which files were loaded nobody knows
        self._show(target, report)
        return self._judge.told(target)

    async def _inspect(self, report: Report | None, fresh: Backend) -> None:
        slot = self._slots[fresh.name]
        if not slot.ready:
            slot.set_state("loading", "it is loaded, and is being compared with native")
        await self._judge.judge(fresh, note="" if report else UNVERIFIED)

    async def reload(self, options: Options) -> None:
        """Load the copy again from its folder, on an admin's word; NotLoaded with the reason if it can't be."""
        target = options.target
        try:
            if not self._location(target).is_dir():
                raise NotLoaded(f"there is no {target} copy at {self._location(target).name}")
            await self.adopt(options)
        except (CopyRefused, ModelRefused, WorkerDied, NoRoom) as error:
            before = "what served before serves on" if self._slots[target].ready else "nothing serves in its place"
            raise NotLoaded(f"the {target} copy can't be loaded: {error}; {before}") from error

    def default_options(self, target: str) -> Options:
        """The options with which a copy is made at start; BadOptions if the settings contradict each other."""
        sizes = tuple(sorted({1, self._plan.spec.max_batch}))
        return kind(target).options(
            batch_sizes=sizes,
            precision=self._plan.precision,
            images=self._plan.calibration_images,
            declared=self._plan.spec.declared,
        )

    def being_made(self, job: Job) -> None:
        """A conversion has begun: what serves now serves on, an empty slot is being filled."""
        slot = self._slots[job.options.target]
        if not slot.ready:
            slot.set_state("converting", f"the copy is being made (job {job.id})")

    def made_or_not(self, job: Job) -> None:
        """A conversion has ended: an empty slot says why it stays empty."""
        slot = self._slots[job.options.target]
        if not slot.ready and slot.state == "converting":
            state = job.state if job.state in ("refused", "unavailable") else "unavailable"
            slot.set_state(state, f"making the copy ended: {job.reason}")

    async def _wanted(self) -> Sequence[str]:
        if self._plan.wanted is not None:
            return self._plan.wanted
        return wanted_on("gpu" if (await self.environment()).gpus else "cpu")

    async def _needed(self, options: Options) -> bool:
        """Load the copy if it may be loaded; whether one should be made instead."""
        target = options.target
        slot = self._slots[target]
        exists = self._location(target).is_dir()
        try:
            if exists:  # its files are looked at first, on any machine: what is no copy is never loaded
                await asyncio.to_thread(publish.check_kind, self._location(target), kind(target))
        except CopyRefused as error:
            slot.set_state("refused", f"{error.reason}: {error}")
            return (await self._availability(target)).available
        available = await self._availability(target)
        if not available.available:
            slot.set_state("unavailable", f"{available.code}: {available.reason}")
            return False
        if not exists:
            if slot.state != "converting":  # an admin was quicker
                slot.set_state("unavailable", "no copy has been made yet")
            return True
        return not await self._loaded(options)

    async def _loaded(self, options: Options) -> bool:
        slot = self._slots[options.target]
        try:
            await self.adopt(options)
        except CopyRefused as error:
            slot.set_state("refused", f"{error.reason}: {error}")
        except ModelRefused as error:
            slot.set_state("refused", f"does_not_run: {error}")
        except (WorkerDied, NoRoom):
            pass  # the slot has said so, or what an admin had loaded serves on
        return slot.ready

    async def _make(self, options: Options, conversions: Conversions) -> None:
        while conversions.running:  # an admin was quicker
            await conversions.finished()
        if not self._slots[options.target].ready:  # else the admin had it made
            conversions.start(options)
            await conversions.finished()

    async def _checked(self, options: Options) -> Report | None:
        found = await self.environment()
        folder = self._location(options.target)

        def check() -> Report | None:
            return publish.check(folder, kind(options.target), identify(self._plan.spec.folder, options, found))

        return await asyncio.to_thread(check)

    async def environment(self) -> Environment:
        """What this machine has; asked once."""
        if self._environment is None:
            self._environment = await self._ask()
            log.info("environment found=%r", self._environment)
        return self._environment

    async def _availability(self, target: str) -> Availability:
        return kind(target).availability(await self.environment())

    def _spec(self, target: str, report: Report | None) -> Spec:
        native = self._plan.spec
        engines = kind(target).has_engines
        # An engine exists for these sizes only; without a report nobody knows them, and 1 is the safest.
        sizes = (report.batch_sizes if report else (1,)) if engines else ()
        return Spec(
            name=target,
            folder=self._location(target),
            max_batch=native.max_batch,
            batch_sizes=sizes,
            batches_in_flight=native.batches_in_flight,
            load_seconds=native.load_seconds,
            declared=native.declared,
            version=native.version,
            hang_seconds=native.hang_seconds,
            environ=probe.STRICT if engines else {},  # an error rather than a figure that is not TensorRT's
        )

    def _show(self, target: str, report: Report | None) -> None:
        if kind(target).has_engines and report is not None:
            operations = report.facts.get("operations") or 0
            self._metrics.trt_engines.set(report.facts.get("engines", 0))
            self._metrics.trt_converted_ops.set(
                report.facts.get("operations_converted", 0) / operations if operations else 0
            )


def _read(folder: Path) -> Report | None:
    try:
        return Report.read(folder)
    except ValueError:
        return None
