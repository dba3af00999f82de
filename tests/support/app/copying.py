"""A model's copies for tests: the files are as the converter leaves them, though no TensorFlow would load them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.backends.backend import Backend, Spec
from app.copies.conversions import Allowed, Conversions, Ways
from app.copies.copies import Copies, Plan
from app.copies.jobs import JobFiles
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.verdicts.judge import Judge
from converter.contract import Report
from converter.disk import publish
from converter.machine.environment import Environment
from converter.run import identify
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

    def told(self, copy: str) -> dict[str, Any]:
        return {"verdict": None, "rolled_back": None}


class ReplacingStarter(FakeStarter):
    """Somebody replaces what is loaded, `times` times, while it is loaded."""

    def __init__(self, replaces: Callable[[], object], *, times: int) -> None:
        super().__init__()
        self._replaces, self._times = replaces, times

    async def __call__(self, spec: Spec) -> FakeBackend:
        if len(self.asked) < self._times:
            self._replaces()
        return await super().__call__(spec)


class Bench:
    """The copies of a model that is no real one, and its conversions; FP16 is wanted."""

    def __init__(self, root: Path, found: Environment, *, wanted: tuple[str, ...] | None, convert: bool) -> None:
        self.source, self.found = root / "1", found
        (self.source / "variables").mkdir(parents=True, exist_ok=True)
        (self.source / "saved_model.pb").write_bytes(b"a model")
        (self.source / "variables" / "variables.index").write_bytes(b"weights")
        self.starter, self.metrics, self.states = FakeStarter(), Metrics(), dict[str, list[str]]()
        self.judge = Lenient()
        self.lacking: str | None = None  # why there is no room for two
        self.slots = {name: self._slot(name) for name in ("trt", "frozen", "onnx")}
        spec = Spec("native", self.source, max_batch=8, batches_in_flight=2, load_seconds=60)
        plan = Plan(wanted=wanted, convert=convert, precision="FP16", calibration_images=None, spec=spec)
        self.copies = Copies(self.slots, plan, self.metrics, location=self._place, judge=self.judge, ask=self._ask)
        ways = Ways(
            location=self._place,
            defaults=self.copies.default_options,
            adopt=self.copies.adopt,
            began=self.copies.being_made,
            ended=self.copies.made_or_not,
        )
        files, allowed = JobFiles(self.location("jobs")), Allowed(seconds=60)
        self.conversions = Conversions(self.source, ways, files=files, metrics=self.metrics, allowed=allowed)
        self.asked = 0

    def _place(self, _: Path, target: str) -> Path:
        return self.location(target)

    def _slot(self, name: str) -> Slot:
        async def start(spec: Spec) -> Backend:
            return await self.starter(spec)

        def changed(slot: Slot) -> None:
            states = self.states.setdefault(slot.name, [])
            if states[-1:] != [slot.state]:  # the reason alone may change
                states.append(slot.state)

        return Slot(name, start, changed=changed, room=lambda backend: self.lacking)

    async def _ask(self) -> Environment:
        self.asked += 1
        return self.found

    def location(self, target: str) -> Path:
        return publish.location(self.source, target)

    async def prepare(self) -> None:
        await self.copies.prepare(self.conversions)

    async def close(self) -> None:
        await self.conversions.close()
        for slot in self.slots.values():
            await slot.close()

    def told(self, target: str) -> tuple[str, str]:
        return self.slots[target].state, self.slots[target].reason

    def put(self, target: str, *, engine: bool | None = None, report: bool = True, **made_with: Any) -> Path:
        """A copy as the converter leaves one; what it was made with may differ from what is here."""
        folder = self.location(target)
        (folder / "assets").mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_text(f"a graph with {ENGINE}" if target == "trt" else "a graph")
        if target == "trt" if engine is None else engine:
            (folder / "assets" / f"trt-serialized-engine.{ENGINE}").write_bytes(b"an engine")
        if report:
            publish.add_report(folder, self.report(target, **made_with))
        return folder

    def report(self, target: str, *, options: Mapping[str, str] | None = None, **made_with: Any) -> Report:
        """The report of a copy that was made with these fields, or options, in place of what is here."""
        wanted = self.copies.default_options(target)
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
