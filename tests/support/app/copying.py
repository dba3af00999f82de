"""A model's copies for tests: the files are as the converter leaves them, though no TensorFlow would load them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.backends.backend import Backend, Spec
from app.backends.served import Served
from app.copies.conversions import Conversions, JobLimits
from app.copies.copies import Copies
from app.copies.folders import CopyFolders, Plan
from app.copies.jobs import JobFiles
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.model_folder import Model
from app.verdicts.judge import Judge
from app.verdicts.standing import Standing
from converter.contract import Order, Report
from converter.disk import checks, places
from converter.identity import identify
from converter.machine.environment import Environment
from tests.support.fakes import FakeBackend, FakeStarter
from tests.support.programs.without_tensorflow import ENGINE, FOUND, ON_A_GPU

CARD = "NVIDIA H100"
PLAIN = Environment(**FOUND)
GPU = Environment(**{**FOUND, **ON_A_GPU, "gpus": (CARD,)})


class Lenient(Judge):
    """Has no verdict on anybody; a test can hold it back, or have it decide otherwise."""

    def __init__(self) -> None:
        self.asked: list[Backend] = []
        self.may_decide = asyncio.Event()
        self.may_decide.set()
        self.decide: Callable[[Backend], Awaitable[None]] = self._nothing

    async def judge(self, fresh: Backend, *, note: str = "") -> None:
        self.asked.append(fresh)
        await self.may_decide.wait()
        await self.decide(fresh)

    async def _nothing(self, fresh: Backend) -> None:
        pass

    def standing(self, copy: str) -> Standing:
        return Standing()


class ReplacingStarter(FakeStarter):
    """Somebody replaces what is loaded, `times` times, while it is loaded."""

    def __init__(self, replaces: Callable[[], object], *, times: int) -> None:
        super().__init__()
        self._replaces, self._times = replaces, times

    async def __call__(self, spec: Spec) -> FakeBackend:
        if len(self.asked) < self._times:
            self._replaces()
        return await super().__call__(spec)


def served_model(source: Path, metrics: Metrics, *, max_batch: int = 8) -> Served:
    """A served model whose files are in `source`; in its worker two batches are in flight."""
    run = Spec("native", source, max_batch=max_batch, batches_in_flight=2, load_seconds=60)
    return Served(Model("model", "1", source, {}), "f" * 64, run, metrics, "0.1")


class Copying:
    """The copies of a model that is no real one, and its conversions; FP16 is wanted."""

    def __init__(
        self,
        root: Path,
        found: Environment,
        *,
        wanted: tuple[str, ...] | None,
        convert: bool,
        cache: Path | None = None,
    ) -> None:
        self.source, self.found = root / "1", found
        (self.source / "variables").mkdir(parents=True, exist_ok=True)
        (self.source / "saved_model.pb").write_bytes(b"a model")
        (self.source / "variables" / "variables.index").write_bytes(b"weights")
        self.starter, self.metrics = FakeStarter(), Metrics()
        self.judge = Lenient()
        self.lacking: str | None = None  # why there is no room for two
        self.slots = {name: self._slot(name) for name in ("trt", "frozen", "onnx")}
        plan = Plan(wanted=wanted, convert=convert, precision="FP16", calibration_images=None, cache=cache)
        self.served = served_model(self.source, self.metrics)
        self.folders = CopyFolders(self.served, plan, ask=self._ask)
        files, allowed = JobFiles(places.location(self.source, "jobs", cache=cache)), JobLimits(seconds=60)
        self.conversions = Conversions(files=files, metrics=self.metrics, allowed=allowed, order=Order())
        self.copies = Copies(self.slots, self.folders, self.conversions, self.judge, self.metrics)
        self.asked = 0

    def _slot(self, name: str) -> Slot:
        async def start(spec: Spec) -> Backend:
            return await self.starter(spec)

        return Slot(name, start, self.metrics, room=lambda backend, same_gpu: self.lacking)

    def _ask(self) -> Environment:
        self.asked += 1
        return self.found

    def location(self, target: str) -> Path:
        return places.location(self.source, target)

    async def prepare(self) -> None:
        await self.copies.prepare()

    async def close(self) -> None:
        await self.copies.close()
        for slot in self.slots.values():
            await slot.close()

    def told(self, target: str) -> tuple[str, str]:
        phase = self.slots[target].phase
        return phase.name, phase.reason

    def put(self, target: str, *, engine: bool | None = None, report: bool = True, **made_with: Any) -> Path:
        """A copy as the converter leaves one; what it was made with may differ from what is here."""
        folder = self.location(target)
        (folder / "assets").mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_text(f"a graph with {ENGINE}" if target == "trt" else "a graph")
        if target == "trt" if engine is None else engine:
            (folder / "assets" / f"trt-serialized-engine.{ENGINE}").write_bytes(b"an engine")
        if report:
            checks.add_report(folder, self.report(target, **made_with))
        return folder

    def report(self, target: str, *, options: Mapping[str, str] | None = None, **made_with: Any) -> Report:
        """The report of a copy that was made with these fields, or options, in place of what is here."""
        wanted = self.folders.default_options(target)
        identity = identify(self.source, wanted, self.found)
        return Report(
            target=target,
            options=wanted,
            identity=replace(identity, options={**identity.options, **(options or {})}, **made_with),
            environment={},
            created="2026-11-25T09:00:00+00:00",
            seconds={},
            source_bytes=0,
            size_bytes=0,
            batch_sizes=wanted.batch_sizes,
            facts={"engines": 3, "operations": 200, "operations_converted": 150} if target == "trt" else {},
            probe={},
            latency={},
            agreement={},
        )


Make = Callable[..., Copying]
