"""The folders of the served model's copies: where they are, what they hold, and what they should hold."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.backends.backend import Spec
from app.backends.served import Served
from app.choices import in_order, wanted_on
from converter.comparison import probe
from converter.contract import CopyRefused, Options, Report
from converter.disk import checks, locks, moving, places, publish, trees
from converter.identity import identify
from converter.machine import environment
from converter.machine.environment import Availability, Environment
from converter.targets import KINDS, kind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How copies are to be had."""

    wanted: Sequence[str] | None  # targets, in the order in which they are loaded or made; None: by the machine
    convert: bool  # make those that are missing or refused
    precision: str
    calibration_images: Path | None  # for INT8
    cache: Path | None  # where copies go when the model's own folder can't be written


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A copy that may be loaded, as it was when somebody looked at it."""

    switches: int  # of the served model, until then: it belongs to the one that was served
    report: Report | None
    spec: Spec  # how it is to be run
    fingerprint: str  # of its files, of its identity and of how it is run: a verdict holds for what has this one


class CopyFolders:
    """What is on disk and what is wanted there; loads nothing. `ask` finds out what this machine has."""

    def __init__(self, served: Served, plan: Plan, *, ask: Callable[[], Environment] = environment.probe) -> None:
        self.plan = plan
        self._served, self._ask = served, ask
        self._environment: Environment | None = None
        self._stayed: dict[Path, Path] = {}  # where a copy is that can't be moved to its place
        self._kept: dict[str, Options] = {}  # with which copies were loaded last, of whatever version

    @property
    def switches(self) -> int:
        """How often another model was served than before: copies belong to the last one."""
        return self._served.switches

    @property
    def source(self) -> Path:
        """The model that copies are made from."""
        return self._served.now.folder

    def location(self, target: str) -> Path:
        """Where the copy is, or would go."""
        place = places.location(self.source, target, cache=self.plan.cache)
        return self._stayed.get(place, place)

    async def wanted_targets(self) -> Sequence[str]:
        """Which copies there should be; those that are measured against another one come after it."""
        if self.plan.wanted is not None:
            return in_order(self.plan.wanted)
        return wanted_on("gpu" if (await self.environment()).gpus else "cpu")

    @property
    def unwanted(self) -> str:
        """Why there is no copy of another kind."""
        alone = f": by default a machine without a GPU has {', '.join(wanted_on('cpu'))} alone"
        return f"it is not among the copies asked for{alone if self.plan.wanted is None else ''} (DETECTOR_COPIES)"

    async def wanted_options(self, target: str) -> Options:
        """How the copy should be made: as the one on disk was, if somebody asked for that beside the same standard.

        Its report says what this server would have made by itself; where that is another thing now, settings have
        changed and count. Of a version that has no copy yet, as the one before it had. BadOptions as `default_options`.
        """
        standard = self.default_options(target)
        report = await asyncio.to_thread(read_report, self.location(target))
        if report is not None and report.options.target == target and report.standard == standard:
            return report.options
        return self._kept.get(target, standard) if report is None or report.standard is None else standard

    def default_options(self, target: str) -> Options:
        """The options with which a copy is made at start; BadOptions if the settings contradict each other."""
        native = self._served.spec
        wanted = kind(target)
        return wanted.options(
            batch_sizes=native.gpu.batch_sizes or wanted.sizes(native.max_batch),
            precision=self.plan.precision,
            images=self.plan.calibration_images,
            declared=native.declared,
        )

    async def check_kind(self, target: str) -> bool:
        """Whether there is a copy; CopyRefused if its files are not those of its kind."""
        folder = self.location(target)
        if not folder.is_dir():
            return False
        await asyncio.to_thread(checks.check_kind, folder, kind(target))
        return True

    async def look(self, options: Options) -> Looked:
        """Look at every file of a copy; CopyRefused if it may not be loaded."""
        switches, source, folder = self.switches, self.source, self.location(options.target)
        found = await self.environment()

        def looked() -> Looked:
            identity = identify(source, options, found, file_hash=self._served.file_hash)
            report = checks.check(folder, kind(options.target), identity, file_hash=self._served.file_hash)
            spec = self._spec(options.target, folder, report)
            files = trees.copy_sha256(folder, file_hash=self._served.file_hash)
            return Looked(switches=switches, report=report, spec=spec, fingerprint=f"{files} {identity} {spec}")

        try:
            return await asyncio.to_thread(looked)
        except OSError as error:
            raise CopyRefused("incomplete", f"{folder.name} can't be read: {error.strerror or error}") from error

    async def unchanged(self, target: str, report: Report | None) -> bool:
        """Whether the copy is still the one with this report: servers that share a cache may replace it at any time."""
        return await asyncio.to_thread(read_report, self.location(target)) == report

    def keep(self, options: Options) -> None:
        """A copy made with these options has been loaded: the next version's is to be made so, too."""
        self._kept[options.target] = options

    @property
    def earlier_jobs(self) -> tuple[Path, str] | None:
        """Where earlier servers kept the jobs of models of this name, and the hash of this one; None: nowhere else."""
        if self.plan.cache is None or self._served.sha256 is None:
            return None
        return places.earlier(self.source, "jobs", cache=self.plan.cache), self._served.sha256

    async def settle(self) -> None:
        """Move copies of this model from where earlier servers put them in the cache; say where nothing is locked."""
        if (cache := self.plan.cache) is not None:
            for target in KINDS:
                await asyncio.to_thread(self._adopt, target, cache)
        for folder in sorted({self.location(target).parent for target in KINDS}):
            if problem := await asyncio.to_thread(locks.problem, folder):
                log.warning("locks missing text=%r", problem)

    async def recover(self, target: str) -> None:
        """Remove what a conversion that was killed left behind."""
        await asyncio.to_thread(publish.recover, self.location(target))

    async def availability(self, target: str) -> Availability:
        """Whether there can be such a copy here."""
        return kind(target).availability(await self.environment())

    async def environment(self) -> Environment:
        """What this machine has; asked once."""
        if self._environment is None:
            self._environment = await asyncio.to_thread(self._ask)
            log.info("environment found=%r", self._environment)
        return self._environment

    def _adopt(self, target: str, cache: Path) -> None:
        old = places.earlier(self.source, target, cache=cache)
        new = places.location(self.source, target, cache=cache)
        if new.parent.parent != cache:
            return  # it goes beside the model
        adopted = moving.adopt(old, new, self._served.sha256)
        if adopted.place != new:
            self._stayed[new] = old
        if adopted.moved:
            log.info("copy moved target=%s folder=%r", target, str(new))
        if adopted.reason:
            log.warning("copy left where it was folder=%r reason=%r", str(old), adopted.reason)

    def _spec(self, target: str, folder: Path, report: Report | None) -> Spec:
        """How the copy is to be run."""
        spec = replace(self._served.spec, name=target, folder=folder)
        if not kind(target).has_engines:
            return spec
        # An engine exists for these sizes only; without a report nobody knows them, and 1 is the safest.
        # STRICT: an error rather than a figure that is not TensorRT's.
        return replace(spec, batch_sizes=report.batch_sizes if report else (1,), environ=probe.STRICT)


def read_report(folder: Path) -> Report | None:
    """The copy's report; None where there is none that can be understood."""
    try:
        return Report.read(folder)
    except ValueError:
        return None


def refusal(error: CopyRefused) -> str:
    """Its word and its sentence."""
    return f"{error.reason}: {error}"
