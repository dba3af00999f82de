"""What becomes of each copy: refused, unavailable, loaded or made, at start and after a conversion."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.backends import ModelRefused, Spec, WorkerDied
from app.conversion import Conversions
from app.metrics import Metrics
from app.slot import Slot
from converter import environment, probe, publish
from converter.contract import CopyRefused, Options, Report
from converter.environment import Availability, Environment
from converter.run import identify

log = logging.getLogger(__name__)

UNCOMPARED = "it has not been compared with native yet"
UNVERIFIED = "unverified: it has no report.json that says what it was made from"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How copies are to be had."""

    wanted: Sequence[str]  # targets, in the order in which they are loaded or made
    convert: bool  # make those that are missing or refused
    precision: str
    spec: Spec  # of native: the copies' differ in name, folder and sizes


class Copies:
    """Looks after the slots of the copies of one model."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        plan: Plan,
        metrics: Metrics,
        *,
        location: Callable[[str], Path],
        ask: Callable[[], Awaitable[Environment]] = lambda: asyncio.to_thread(environment.probe),
    ) -> None:
        self._slots, self._plan, self._metrics, self._location, self._ask = slots, plan, metrics, location, ask
        self._environment: Environment | None = None

    async def prepare(self, conversions: Conversions) -> None:
        """At start, after native: look at each copy; load it, make it, or say why neither."""
        for target, slot in self._slots.items():
            if target not in self._plan.wanted:
                slot.set_state("unavailable", "it is not among the copies asked for (DETECTOR_COPIES)")
        for target in self._plan.wanted:
            if await self._needed(target) and self._plan.convert:
                await self._make(target, conversions)

    async def adopt(self, target: str) -> None:
        """Load the copy that a conversion has just put in place; it is swapped in, or an error says why not."""
        report = await self._checked(target)
        self._slots[target].rest_as("standby", UNCOMPARED if report else UNVERIFIED)
        await self._slots[target].open(self._spec(target, report))
        self._show(target, report)

    def default_options(self, target: str) -> Options:
        """The options with which a copy is made at start."""
        sizes = tuple(sorted({1, self._plan.spec.max_batch}))
        precision = self._plan.precision if target == "trt" else "FP32"
        return Options(target=target, precision=precision, batch_sizes=sizes)

    async def _needed(self, target: str) -> bool:
        """Load the copy if it may be loaded; whether one should be made instead."""
        slot = self._slots[target]
        exists = self._location(target).is_dir()
        try:
            if exists:  # its files are looked at first, on any machine: what is no copy is never loaded
                await asyncio.to_thread(publish.check_kind, self._location(target), target)
        except CopyRefused as error:
            slot.set_state("refused", f"{error.reason}: {error}")
            return (await self._availability(target)).available
        available = await self._availability(target)
        if not available.available:
            slot.set_state("unavailable", f"{available.code}: {available.reason}")
            return False
        if not exists:
            slot.set_state("unavailable", "no copy has been made yet")
            return True
        return not await self._loaded(target)

    async def _loaded(self, target: str) -> bool:
        slot = self._slots[target]
        try:
            await self.adopt(target)
        except CopyRefused as error:
            slot.set_state("refused", f"{error.reason}: {error}")
        except ModelRefused as error:
            slot.set_state("refused", f"does_not_run: {error}")
        except WorkerDied:
            pass  # the slot has said so
        return slot.ready

    async def _make(self, target: str, conversions: Conversions) -> None:
        slot = self._slots[target]
        slot.set_state("converting", "the copy is being made")
        while conversions.running:  # an admin was quicker
            await conversions.finished()
        job = conversions.start(self.default_options(target))
        await conversions.finished()
        if not slot.ready:
            state = job.state if job.state in ("refused", "unavailable") else "unavailable"
            slot.set_state(state, f"making the copy ended: {job.reason}")

    async def _checked(self, target: str) -> Report | None:
        found = await self.environment()
        folder = self._location(target)

        def check() -> Report | None:
            return publish.check(folder, target, identify(self._plan.spec.folder, target, found))

        return await asyncio.to_thread(check)

    async def environment(self) -> Environment:
        """What this machine has; asked once."""
        if self._environment is None:
            self._environment = await self._ask()
            log.info("environment found=%r", self._environment)
        return self._environment

    async def _availability(self, target: str) -> Availability:
        return environment.availability(target, await self.environment())

    def _spec(self, target: str, report: Report | None) -> Spec:
        native = self._plan.spec
        engines = target == "trt"
        # An engine exists for these sizes only; without a report nobody knows them, and 1 is the safest.
        sizes = (report.batch_sizes if report else (1,)) if engines else ()
        return Spec(
            name=target,
            folder=self._location(target),
            max_batch=native.max_batch,
            batch_sizes=sizes,
            batches_in_flight=native.batches_in_flight,
            load_seconds=native.load_seconds,
            hang_seconds=native.hang_seconds,
            environ=probe.STRICT if engines else {},  # an error rather than a figure that is not TensorRT's
        )

    def _show(self, target: str, report: Report | None) -> None:
        if target == "trt" and report is not None:
            operations = report.facts.get("operations") or 0
            self._metrics.trt_engines.set(report.facts.get("engines", 0))
            self._metrics.trt_converted_ops.set(
                report.facts.get("operations_converted", 0) / operations if operations else 0
            )
