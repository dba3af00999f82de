import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.backends.backend import BatchFailed, Spec
from app.detection.attempts import Attempts
from app.detection.detector import Detector, Query, Result
from app.errors import (
    BackendUnavailable,
    BadRequest,
    DeadlineExceeded,
    ImageTooLarge,
    InvalidImage,
    ModelFailed,
    NotAJpeg,
    Overloaded,
    ServiceError,
)
from app.images import Intake
from app.lanes.batching import MicroBatcher
from app.lanes.door import Door
from app.lanes.lane import Lane
from app.lanes.runner import Bounds
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.rules import RollbackRule
from app.verdicts.failures import Failures
from app.verdicts.routing import Routing
from converter.model.detections import Detections
from tests.support.app import jpegs
from tests.support.fakes import FACTS, FakeBackend, FakeStarter, until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


class Detecting:
    """A detector with a native backend that is active, a frozen one in standby, and no trt."""

    def __init__(self, executor: ThreadPoolExecutor, *, limit: int = 64, timeout_s: float = 10) -> None:
        self.metrics = Metrics()
        self.starter = FakeStarter()
        self.lanes = {name: self._lane(name, executor, limit) for name in ("native", "frozen", "trt")}
        self.routing = Routing(self.lanes, self.metrics)
        attempts = Attempts(self.routing, Failures(self.routing, self.metrics, rule=RollbackRule()))
        intake = Intake(1_000_000)
        self.detector = Detector(attempts, self.metrics, executor=executor, intake=intake, timeout_s=timeout_s)

    def _lane(self, name: str, executor: ThreadPoolExecutor, limit: int) -> Lane:
        slot = Slot(name, self.starter, self.metrics)
        return Lane(slot, MicroBatcher(slot, self.metrics, bounds=Bounds(limit), executor=executor))

    async def detect(self, data: bytes, query: Query) -> Result:
        """A request with one picture."""
        if isinstance(result := (await self.detector.detect([data], query))[0], ServiceError):
            raise result
        return result

    async def open(self) -> None:
        for name in ("native", "frozen"):
            await self.lanes[name].slot.open(Door(Spec(name, Path("street/1"), max_batch=8)))
        self.lanes["trt"].slot.stay_vacant("unavailable", "no_gpu: TensorFlow sees no NVIDIA GPU")

    async def close(self) -> None:
        for lane in self.lanes.values():
            await lane.slot.close()

    def backend(self, name: str) -> FakeBackend:
        return next(backend for backend in self.starter.started if backend.name == name)

    def counted(self, family: str, label: str) -> dict[str, float]:
        """By the value of `label`: the sums of the samples called `family` that are not 0."""
        families = text_string_to_metric_families(self.metrics.text().decode())
        samples = [sample for each in families for sample in each.samples if sample.name == f"detector_{family}"]
        sums: Counter[str] = Counter()
        for sample in samples:
            sums[sample.labels[label]] += sample.value  # type: ignore[assignment]  # a Counter adds floats, too
        return {value: number for value, number in sums.items() if number}


@pytest.fixture
async def bench(executor: ThreadPoolExecutor) -> AsyncIterator[Detecting]:
    made = Detecting(executor)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize(("asked", "answers"), [("auto", "native"), ("native", "native"), ("frozen", "frozen")])
async def test_auto_is_the_active_backend_and_a_name_is_that_backend(
    asked: str, answers: str, bench: Detecting
) -> None:
    result = await bench.detect(PHOTO, Query(backend=asked))
    assert result.backend == answers
    assert (result.image.width, result.image.height, result.batch_size) == (64, 48, 1)
    assert result.detections.classes.tolist() == [64]
    assert [len(backend.batches) for backend in bench.starter.started] == [answers == "native", answers == "frozen"]


async def test_auto_follows_the_active_state(bench: Detecting) -> None:
    bench.routing.choose("frozen")
    assert (await bench.detect(PHOTO, Query())).backend == "frozen"
    assert (await bench.detect(PHOTO, Query(backend="native"))).backend == "native"


async def test_a_named_backend_that_can_not_answer_says_why(bench: Detecting) -> None:
    with pytest.raises(BackendUnavailable, match="'trt' is unavailable: no_gpu: TensorFlow sees no NVIDIA GPU"):
        await bench.detect(PHOTO, Query(backend="trt"))


async def test_auto_without_an_active_backend_says_why_native_is_not(executor: ThreadPoolExecutor) -> None:
    bench = Detecting(executor)
    with pytest.raises(BackendUnavailable, match="'native' is loading: the server is starting") as caught:
        await bench.detect(PHOTO, Query())
    assert caught.value.retry_after_s


async def test_threshold_and_limit_cut_the_answer(bench: Detecting) -> None:
    scores = np.array([0.9, 0.5, 0.25, 0.2], np.float32)
    many = Detections(np.zeros((4, 4), np.float32), scores, np.arange(4, dtype=np.int32))
    bench.backend("native").answer = lambda image: many
    by_default = await bench.detect(PHOTO, Query())
    assert by_default.detections.classes.tolist() == [0, 1, 2]
    best = await bench.detect(PHOTO, Query(threshold=0, max_detections=1))
    assert best.detections.classes.tolist() == [0]
    none = await bench.detect(PHOTO, Query(threshold=0.95))
    assert len(none.detections) == 0


REFUSED: dict[str, tuple[bytes, type[ServiceError]]] = {
    "empty": (b"", BadRequest),
    "no JPEG": (b"hello", NotAJpeg),
    "header": (jpegs.cut_in_header(PHOTO), InvalidImage),
    "pixels": (jpegs.with_size(PHOTO, 2000, 2000), ImageTooLarge),
    # Large files are checked in a thread.
    "large and no JPEG": (b"hello" * 100_000, NotAJpeg),
    "large and broken": (
        jpegs.cut_in_header(jpegs.with_bytes(PHOTO, jpegs.segment(0xE2, bytes(60_000)) * 5)),
        InvalidImage,
    ),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_picture_that_can_not_be_used_is_counted_as_rejected(
    data: bytes, error: type[ServiceError], bench: Detecting
) -> None:
    with pytest.raises(error):
        await bench.detect(data, Query())
    assert bench.counted("images_total", "result") == {"rejected": 1}
    assert bench.counted("images_total", "backend") == {"none": 1}
    assert bench.counted("failures_total", "reason") == {error.code: 1}
    assert bench.counted("stage_duration_seconds_count", "stage") == {}
    assert not bench.backend("native").batches


async def test_a_large_picture_is_answered_like_a_small_one(bench: Detecting) -> None:
    large = jpegs.with_bytes(PHOTO, jpegs.segment(0xE2, bytes(60_000)) * 5)
    assert (await bench.detect(large, Query())).image.data == large


async def test_every_result_is_counted_once_by_its_kind(executor: ThreadPoolExecutor) -> None:
    bench = Detecting(executor, limit=1)
    bench.starter.facts = replace(FACTS, batches_in_flight=1)
    await bench.open()
    native = bench.backend("native")
    native.open_gate.clear()
    running = asyncio.create_task(bench.detect(PHOTO, Query()))
    await until(lambda: len(native.batches) == 1)
    waiting = asyncio.create_task(bench.detect(PHOTO, Query()))
    await until(lambda: bench.lanes["native"].batcher.depth == 1)
    with pytest.raises(Overloaded):
        await bench.detect(PHOTO, Query())
    waiting.cancel()
    await asyncio.wait([waiting])
    native.open_gate.set()
    bench.detector.observe(await running, encode_s=0.001)
    with pytest.raises(BackendUnavailable):
        await bench.detect(PHOTO, Query(backend="trt"))
    native.fails = lambda images: BatchFailed("other", "a kernel failed")
    with pytest.raises(ModelFailed):
        await bench.detect(PHOTO, Query())
    assert bench.counted("images_total", "result") == {
        "ok": 1,
        "gone": 1,
        "overloaded": 1,
        "unavailable": 1,
        "failed": 1,
    }
    assert bench.counted("failures_total", "reason") == {"overloaded": 1, "backend_unavailable": 1, "model_failed": 1}
    await bench.close()


async def test_a_deadline_is_counted_as_expired(executor: ThreadPoolExecutor) -> None:
    bench = Detecting(executor, timeout_s=0.01)
    await bench.open()
    bench.backend("native").open_gate.clear()
    with pytest.raises(DeadlineExceeded):
        await bench.detect(PHOTO, Query())
    assert bench.counted("images_total", "result") == {"expired": 1}
    assert bench.counted("images_total", "backend") == {"native": 1}
    assert bench.counted("failures_total", "reason") == {"deadline_exceeded": 1}
    await bench.close()


async def test_a_picture_to_blame_for_its_batch_is_counted_as_rejected(bench: Detecting) -> None:
    bench.backend("native").fails = lambda images: BatchFailed("undecodable", "Invalid JPEG data")
    with pytest.raises(InvalidImage):
        await bench.detect(jpegs.cut(PHOTO, share=0.7), Query())
    assert bench.counted("images_total", "result") == {"rejected": 1}


async def test_a_backend_that_dies_with_a_picture_in_it_is_unavailable(bench: Detecting) -> None:
    frozen = bench.backend("frozen")
    frozen.open_gate.clear()
    asked = asyncio.create_task(bench.detect(PHOTO, Query(backend="frozen")))
    await until(lambda: len(frozen.batches) == 1)
    frozen.die()
    with pytest.raises(BackendUnavailable, match="'frozen' crashed while it worked on this picture") as caught:
        await asked
    assert caught.value.retry_after_s
    assert bench.counted("images_total", "result") == {"unavailable": 1}


async def test_timings_are_observed_once_for_each_stage(bench: Detecting) -> None:
    result = await bench.detect(PHOTO, Query(backend="frozen"))
    assert bench.counted("stage_duration_seconds_count", "stage") == {}, "they travel with the answer"
    bench.detector.observe(result, encode_s=0.25)
    stages = {"validate": 1, "queue": 1, "infer": 1, "encode": 1}
    assert bench.counted("stage_duration_seconds_count", "stage") == stages
    assert bench.counted("stage_duration_seconds_count", "backend") == {"frozen": 4}
    assert bench.counted("stage_duration_seconds_count", "role") == {"serving": 4}
    sums = bench.counted("stage_duration_seconds_sum", "stage")
    told = {"validate": result.validate_s, "queue": result.queue_s, "infer": result.infer_s, "encode": 0.25}
    assert sums == pytest.approx(told)


async def test_numbers_that_are_not_finite_are_counted(bench: Detecting) -> None:
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), dropped=3)
    bench.backend("native").answer = lambda image: none
    bench.detector.observe(await bench.detect(PHOTO, Query()), encode_s=0)
    assert bench.counted("not_finite_total", "backend") == {"native": 3}
