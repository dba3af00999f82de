import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed, Spec
from app.errors import InvalidImage, ModelFailed
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.queued import Answer
from app.lanes.runner import Bounds
from app.metrics import Metrics
from tests.support.app import jpegs
from tests.support.app.queueing import QueuedModel, ask
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio

GOOD = jpegs.photo()
CUT_OFF = jpegs.cut(GOOD, share=0.7)
# The model of these tests fails on pictures of this width, though they decode well.
CURSED = 113


class HeldBatches:
    """A batcher whose batches of eight are held until all have come, and what was done to repair them."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.backend = FakeBackend(Spec("native", Path("street/1"), max_batch=8))
        self.metrics = Metrics()
        model = QueuedModel(self.backend.detect, max_batch=8)
        self.batcher = MicroBatcher(model, self.metrics, bounds=Bounds(64), executor=executor)

    async def ask(self, images: Sequence[Image]) -> list[Answer | BaseException]:
        """The outcomes of `images`, which come as one batch behind another picture's."""
        tasks = await self.queue(images)
        self.backend.open_gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    async def queue(self, images: Sequence[Image]) -> list[asyncio.Task[Answer]]:
        self.backend.open_gate.clear()
        self.first = asyncio.create_task(ask(self.batcher, Image(GOOD, 1, 1), timeout_s=10))
        await until(lambda: len(self.backend.batches) == 1)
        tasks = [asyncio.create_task(ask(self.batcher, image, timeout_s=10)) for image in images]
        await until(lambda: self.batcher.depth == len(images))
        return tasks

    @property
    def repaired(self) -> dict[str, float]:
        """How many batches were repaired, by what was done."""
        samples = [sample for family in self.metrics.batch_repairs.collect() for sample in family.samples]
        return {sample.labels["how"]: sample.value for sample in samples if sample.name.endswith("_total")}

    @property
    def sizes(self) -> list[int]:
        """Sizes of the batches behind the first."""
        return [len(batch) for batch in self.backend.batches[1:]]


@pytest.fixture
async def bench(executor: ThreadPoolExecutor) -> HeldBatches:
    return HeldBatches(executor)


def pictures(*data: bytes) -> list[Image]:
    return [Image(each, 101 + number, 50) for number, each in enumerate(data)]


def outcome(answer: Answer | BaseException) -> int | type[BaseException]:
    """The class that was found, which is the picture's width; or the error's type."""
    return int(answer.detections.classes[0]) if isinstance(answer, Answer) else type(answer)


def fails_on_cut_off(images: Sequence[Image]) -> BatchFailed | None:
    broken = any(image.data == CUT_OFF for image in images)
    return BatchFailed("undecodable", "Invalid JPEG data or crop window, data size 573") if broken else None


def fails_on_cursed(images: Sequence[Image]) -> BatchFailed | None:
    return BatchFailed("other", "a kernel failed") if any(image.width == CURSED for image in images) else None


async def test_culprits_are_told_and_the_others_answered_as_one_batch(bench: HeldBatches) -> None:
    bench.backend.fails = fails_on_cut_off
    outcomes = await bench.ask(pictures(GOOD, CUT_OFF, GOOD, GOOD, CUT_OFF, GOOD, GOOD, GOOD))
    assert [outcome(each) for each in outcomes] == [101, InvalidImage, 103, 104, InvalidImage, 106, 107, 108]
    assert bench.sizes == [8, 6]
    assert bench.repaired == {"culprits": 1}
    assert "damaged or cut off" in str(outcomes[1])


async def test_a_batch_of_culprits_is_not_run_again(bench: HeldBatches) -> None:
    bench.backend.fails = fails_on_cut_off
    assert [outcome(each) for each in await bench.ask(pictures(CUT_OFF, CUT_OFF))] == [InvalidImage, InvalidImage]
    assert bench.sizes == [2]


async def test_a_batch_without_culprit_is_split_until_the_picture_is_found(bench: HeldBatches) -> None:
    bench.backend.fails = fails_on_cursed
    images = [Image(GOOD, CURSED - 2 + number, 50) for number in range(8)]
    outcomes = await bench.ask(images)
    assert [outcome(each) for each in outcomes] == [111, 112, ModelFailed, 114, 115, 116, 117, 118]
    assert bench.sizes == [8, 4, 2, 2, 1, 1, 4]
    assert bench.repaired == {"split": 3, "given_up": 1}


async def test_a_single_picture_that_the_model_fails_on_is_given_up_with_a_line_in_the_log(
    bench: HeldBatches, caplog: pytest.LogCaptureFixture
) -> None:
    bench.backend.fails = fails_on_cursed
    (failed,) = await bench.ask([Image(GOOD, CURSED, 50)])
    assert isinstance(failed, ModelFailed)
    assert "decodes well" in str(failed)
    assert bench.repaired == {"given_up": 1}
    assert [record.msg.partition(" backend=")[0] for record in caplog.records] == ["model failed"]


@pytest.mark.parametrize(("fits", "expected"), [(4, [8, 4, 4]), (2, [8, 4, 2, 2, 4, 2, 2])])
async def test_a_batch_that_exhausts_memory_is_halved(fits: int, expected: list[int], bench: HeldBatches) -> None:
    bench.backend.fails = lambda images: BatchFailed("exhausted", "OOM") if len(images) > fits else None
    outcomes = await bench.ask(pictures(*[GOOD] * 8))
    assert [outcome(each) for each in outcomes] == list(range(101, 109))
    assert bench.sizes == expected
    assert set(bench.repaired) == {"halved"}


async def test_an_odd_batch_loses_nobody_when_it_is_split(bench: HeldBatches) -> None:
    bench.backend.fails = lambda images: BatchFailed("other", "no") if len(images) > 1 else None
    outcomes = await bench.ask(pictures(*[GOOD] * 7))
    assert [outcome(each) for each in outcomes] == list(range(101, 108))


async def test_a_model_that_always_fails_answers_everybody(bench: HeldBatches) -> None:
    bench.backend.fails = lambda images: BatchFailed("other", "no") if images[0].width > 1 else None
    outcomes = await bench.ask(pictures(*[GOOD] * 8))
    assert {outcome(each) for each in outcomes} == {ModelFailed}
    assert bench.repaired == {"split": 7, "given_up": 8}


async def test_who_leaves_while_a_batch_fails_is_not_run_again(bench: HeldBatches) -> None:
    images = pictures(GOOD, CUT_OFF, GOOD, GOOD)
    tasks = await bench.queue(images)

    def leave_and_fail(batch: Sequence[Image]) -> BatchFailed | None:
        if len(batch) == 4:
            tasks[2].cancel()
        return fails_on_cut_off(batch)

    bench.backend.fails = leave_and_fail
    bench.backend.open_gate.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome(each) for each in outcomes] == [101, InvalidImage, asyncio.CancelledError, 104]
    assert bench.sizes == [4, 2]


async def test_a_worker_that_dies_in_the_repair_is_told_to_those_who_are_left(bench: HeldBatches) -> None:
    def fail_then_die(batch: Sequence[Image]) -> BatchFailed | None:
        if len(batch) == 3:
            bench.backend.die()
        return fails_on_cut_off(batch)

    bench.backend.fails = fail_then_die
    outcomes = await bench.ask(pictures(GOOD, CUT_OFF, GOOD))
    assert [outcome(each) for each in outcomes][1] is InvalidImage
    assert [str(each) for each in outcomes[::2]] == ["its process ended by SIGKILL"] * 2


async def test_a_repair_that_can_not_be_made_strands_nobody(bench: HeldBatches) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    batcher = MicroBatcher(QueuedModel(bench.backend.detect), Metrics(), bounds=Bounds(64), executor=pool)
    bench.backend.fails = fails_on_cut_off
    (outcome,) = await asyncio.gather(ask(batcher, Image(CUT_OFF, 101, 50), timeout_s=1), return_exceptions=True)
    assert isinstance(outcome, Exception)
    assert not isinstance(outcome, TimeoutError)


async def test_a_single_picture_that_only_the_model_can_not_decode_is_the_callers_fault(bench: HeldBatches) -> None:
    """TensorFlow is stricter than Pillow about the end of a file."""
    bench.backend.fails = lambda images: BatchFailed("undecodable", "Invalid JPEG data or crop window")
    with pytest.raises(InvalidImage, match="can't be decoded"):
        await ask(bench.batcher, Image(GOOD, 101, 50), timeout_s=10)
