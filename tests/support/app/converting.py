"""Conversions in real child processes, in which small programs stand in for those that need TensorFlow."""

import os
from pathlib import Path

import pytest

from app.copies.conversions import Conversions, JobLimits
from app.copies.copies import Copies
from app.copies.folders import CopyFolders, Plan
from app.copies.jobs import Job, JobFiles
from app.lanes.slot import Slot
from app.metrics import Metrics
from benchmarks.serving import descendants, lives
from converter.contract import Options, Order
from converter.tolerance import Tolerance
from tests.support.app.copying import PLAIN, Lenient, served_model
from tests.support.fakes import FakeStarter, until
from tests.support.places import PROGRAMS

FROZEN = Options(target="frozen", batch_sizes=(1, 4))
TRT = Options(target="trt", batch_sizes=(1, 4))


class Programs:
    """What children that start from now on do in place of running TensorFlow (see programs/without_tensorflow.py)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._environ, self._go = monkeypatch, folder / "go"
        environ = {"PYTHONPATH": PROGRAMS, "STAND_IN": "without_tensorflow", "GO": self._go}
        # The converter compares a box or two: numpy's pool of threads would cost as much as all the rest of it.
        for name, value in (environ | {"OPENBLAS_NUM_THREADS": 1}).items():
            monkeypatch.setenv(name, str(value))

    def order(self, text: str) -> None:
        """One of them does this in place of its work, like "save: wait"."""
        self._environ.setenv("ORDER", text)

    def go(self) -> None:
        """Those that wait go on."""
        self._go.touch()

    def hold_before(self, name: str) -> None:
        """The converter stops for good before it gives a folder this name."""
        self._environ.setenv("HELD_BEFORE", name)

    def fix_batch(self, size: int) -> None:
        """The model takes batches of this size alone."""
        self._environ.setenv("BATCH", str(size))

    def on_a_gpu(self, name: str) -> None:
        """They find TensorRT and this GPU."""
        self._environ.setenv("GPU", name)


class Converting:
    """A server's conversions of a model, and its copies; `starter` can hold back loading, or make it fail."""

    def __init__(self, root: Path, *, model: str = "model/1", tolerance: Tolerance | None = None) -> None:
        self.source = root / model
        self.source.mkdir(parents=True)
        self.place = self.location("frozen")
        self.allowed, self.tolerance = JobLimits(seconds=60), tolerance or Tolerance()
        self.starter = FakeStarter()
        self.conversions = self.server()
        self.copies = self.over(self.conversions)
        self._others = set(descendants(os.getpid()))

    def server(self) -> Conversions:
        """The conversions of a server that starts now."""
        files, self.metrics = JobFiles(self.location("jobs")), Metrics()
        return Conversions(
            files=files, metrics=self.metrics, allowed=self.allowed, order=Order(tolerance=self.tolerance)
        )

    def over(self, conversions: Conversions, *, max_batch: int = 8) -> Copies:
        """The copies that these conversions are for; they are judged by nobody."""
        metrics = Metrics()
        served = served_model(self.source, metrics, max_batch=max_batch)
        plan = Plan(wanted=(), convert=False, precision="FP32", calibration_images=None, cache=None)
        self.slots = {name: Slot(name, self.starter, metrics) for name in ("frozen", "trt", "onnx")}
        folders = CopyFolders(served, plan, ask=lambda: PLAIN)
        return Copies(self.slots, folders, conversions, Lenient(), metrics)

    def convert(self, options: Options) -> Job:
        """A conversion, as an admin starts one."""
        return self.copies.convert(options)

    async def finished(self) -> None:
        """Return when no job runs."""
        await self.copies.converted()

    async def close(self) -> None:
        await self.copies.close()
        for slot in self.slots.values():
            await slot.close()

    def location(self, target: str) -> Path:
        return self.source.with_name(f"1_{target}")

    def put_model(self) -> None:
        """The files of a SavedModel."""
        (self.source / "saved_model.pb").write_bytes(b"a model")

    def put_copy(self) -> None:
        """A frozen copy that was there before."""
        self.place.mkdir()
        (self.place / "saved_model.pb").write_bytes(b"an older copy")

    def assert_as_before(self) -> None:
        """The old copy and nothing beside it, apart from the locks and the jobs."""
        assert contents(self.place) == {"saved_model.pb": b"an older copy"}
        beside = {path.name for path in self.source.parent.iterdir()}
        assert beside <= {"1", "1_frozen", "1_jobs", ".1_frozen.lock", ".hashes.json"}

    def processes(self) -> list[int]:
        """Those that were started for the conversions: the converter first."""
        return [pid for pid in descendants(os.getpid()) if pid not in self._others]


def contents(folder: Path) -> dict[str, bytes]:
    """All files below `folder` by relative name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def until_in(job: Job, step: str) -> None:
    """Return when the job is in this step."""
    await until(lambda: job.step == step or not job.running)
    assert job.running, job.reason


async def gone(pids: list[int]) -> None:
    """Return when none of these processes is left."""
    await until(lambda: not any(map(lives, pids)))
