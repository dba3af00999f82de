"""A model's copies for tests: the files are as the converter leaves them, though no TensorFlow would load them."""

from dataclasses import replace
from pathlib import Path

from app.backends import Spec
from app.conversion import Conversions
from app.copies import Copies, Plan
from app.metrics import Metrics
from app.slot import Slot
from converter import publish
from converter.contract import Options, Report
from converter.environment import Environment
from converter.run import identify
from tests.fakes import FakeStarter

PLAIN = Environment(tensorflow="2.14.1", tensorrt_linked=(8, 5, 3))
GPU = replace(PLAIN, tensorrt_loaded=(8, 5, 3), gpus=("NVIDIA H100",), compute_capability="9.0")
ENGINE = "TRTEngineOp_000_000"


class Bench:
    """The copies of a model that is no real one: a conversion of it is refused at once."""

    def __init__(self, root: Path, found: Environment, *, wanted: tuple[str, ...], convert: bool) -> None:
        self.source, self.found = root / "1", found
        (self.source / "variables").mkdir(parents=True)
        (self.source / "variables" / "variables.index").write_bytes(b"weights")
        self.starter, self.metrics, self.states = FakeStarter(), Metrics(), dict[str, list[str]]()
        self.slots = {name: Slot(name, self.starter, changed=self._changed) for name in ("trt", "frozen")}
        spec = Spec("native", self.source, max_batch=8, batches_in_flight=2, load_seconds=60)
        plan = Plan(wanted=wanted, convert=convert, precision="FP16", spec=spec)
        self.copies = Copies(self.slots, plan, self.metrics, location=self.location, ask=self._ask)
        self.conversions = Conversions(
            self.source, location=self.location, adopt=self.copies.adopt, metrics=self.metrics, timeout_s=60
        )
        self.asked = 0

    def _changed(self, slot: Slot) -> None:
        self.states.setdefault(slot.name, []).append(slot.state)

    async def _ask(self) -> Environment:
        self.asked += 1
        return self.found

    def location(self, target: str) -> Path:
        return publish.location(self.source, target)

    async def prepare(self) -> None:
        await self.copies.prepare(self.conversions)

    def told(self, target: str) -> tuple[str, str]:
        return self.slots[target].state, self.slots[target].reason

    def put(self, target: str, *, engine: bool, report: bool = True) -> Path:
        """A copy as the converter leaves one, though no TensorFlow would load it."""
        folder = self.location(target)
        (folder / "assets").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"a graph with {ENGINE}" if target == "trt" else "a graph")
        if engine:
            (folder / "assets" / f"trt-serialized-engine.{ENGINE}").write_bytes(b"an engine")
        if report:
            publish.add_report(folder, self._report(target))
        return folder

    def _report(self, target: str) -> Report:
        return Report(
            target=target,
            options=Options(target=target, batch_sizes=(1, 4)),
            identity=identify(self.source, target, self.found),
            created="2026-11-25T09:00:00+00:00",
            seconds={},
            size_bytes=0,
            batch_sizes=(1, 4),
            facts={"engines": 3, "operations": 200, "operations_converted": 150} if target == "trt" else {},
            probe={},
        )
