import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.backends.backend import WorkerDied
from app.images import Image
from app.lanes.batching import MicroBatcher
from app.lanes.queued import Answer
from app.lanes.runner import Bounds
from app.metrics import Metrics
from converter.model.detections import Detections
from tests.support.app.queueing import Make, QueuedModel, ask, assert_answered, pictures, sizes, submit
from tests.support.fakes import FakeBackend, found, until

pytestmark = pytest.mark.anyio


async def test_the_first_goes_alone_at_once_and_those_that_came_meanwhile_are_the_next_batch(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher, images = make(), pictures(street, 6)
    backend.open_gate.clear()
    first = submit(batcher, images[:1])
    await until(lambda: len(backend.batches) == 1)
    assert (batcher.depth, batcher.in_flight) == (0, 1)
    others = submit(batcher, images[1:])
    await until(lambda: batcher.depth == 5)
    backend.open_gate.set()
    answers = await asyncio.gather(*first, *others)
    assert sizes(backend) == [1, 5]
    assert_answered(images, answers)
    assert [answer.batch_size for answer in answers] == [1, 5, 5, 5, 5, 5]
    assert (batcher.depth, batcher.in_flight) == (0, 0)


async def test_a_batch_is_not_larger_than_it_may_be(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(max_batch=8), pictures(street, 20)
    assert_answered(images, await asyncio.gather(*submit(batcher, images)))
    assert sizes(backend) == [1, 8, 8, 3]


@pytest.mark.parametrize(("waiting", "batches"), [(1, [1]), (8, [4, 4]), (9, [5, 4]), (40, [8] * 5)])
async def test_where_the_model_says_so_what_waits_is_shared_out_over_the_batches_in_flight(
    waiting: int, batches: list[int], make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher = make(in_flight=2)
    batcher._model.shares = True
    async with batcher.paused():
        asked = submit(batcher, pictures(street, waiting))
        await until(lambda: batcher.depth == waiting)
    await asyncio.gather(*asked)
    assert sizes(backend) == batches


async def test_a_larger_batch_may_be_allowed_later(
    backend: FakeBackend, executor: ThreadPoolExecutor, street: Image
) -> None:
    model, images = QueuedModel(backend.detect, max_batch=1), pictures(street, 5)
    batcher = MicroBatcher(model, Metrics(), bounds=Bounds(64), executor=executor)
    backend.open_gate.clear()
    answers = submit(batcher, images)
    await until(lambda: batcher.depth == 4)
    model.max_batch = 4
    backend.open_gate.set()
    await asyncio.gather(*answers)
    assert sizes(backend) == [1, 4]


async def test_several_batches_are_in_flight(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(max_batch=4, in_flight=3), pictures(street, 9)
    backend.open_gate.clear()
    answers = submit(batcher, images)
    await until(lambda: batcher.depth == 6)
    assert (sizes(backend), batcher.in_flight) == ([1, 1, 1], 3)
    backend.open_gate.set()
    assert_answered(images, await asyncio.gather(*answers))
    assert sum(sizes(backend)) == 9


async def test_timings_and_batch_sizes_are_told(
    backend: FakeBackend, executor: ThreadPoolExecutor, street: Image
) -> None:
    metrics = Metrics()
    batcher = MicroBatcher(QueuedModel(backend.detect, max_batch=8), metrics, bounds=Bounds(9), executor=executor)
    backend.open_gate.clear()
    answers = submit(batcher, pictures(street, 3))
    await until(lambda: batcher.depth == 2)
    backend.open_gate.set()
    first, second, third = await asyncio.gather(*answers)
    observed = {"count": 2.0, "sum": 3.0}
    name, labels = "detector_batch_size", {"backend": "native"}
    assert {part: metrics.registry.get_sample_value(f"{name}_{part}", labels) for part in observed} == observed
    assert metrics.registry.get_sample_value(f"{name}_bucket", {**labels, "le": "1.0"}) == 1
    # The second waited as long as the first ran, the third came with it.
    assert 0 <= first.queue_s < first.infer_s <= second.queue_s + 0.001
    assert second.infer_s == third.infer_s > 0


async def test_the_death_of_the_worker_is_told_to_all_of_the_batch(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher, images = make(), pictures(street, 5)
    backend.open_gate.clear()
    answers = submit(batcher, images)
    await until(lambda: batcher.depth == 4)
    backend.die("its process ended by SIGSEGV")
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert {(type(outcome), str(outcome)) for outcome in outcomes} == {(WorkerDied, "its process ended by SIGSEGV")}
    assert (batcher.depth, batcher.in_flight) == (0, 0)


async def nothing(images: Sequence[Image]) -> list[Detections]:
    return []


async def one_too_many(images: Sequence[Image]) -> list[Detections]:
    return [*map(found, images), found(images[0])]


async def a_bug(images: Sequence[Image]) -> list[Detections]:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("run", [nothing, one_too_many, a_bug])
async def test_a_run_that_breaks_its_promise_strands_nobody(
    run: Callable[[Sequence[Image]], asyncio.Future[list[Detections]]], executor: ThreadPoolExecutor, street: Image
) -> None:
    batcher = MicroBatcher(QueuedModel(run, max_batch=4), Metrics(), bounds=Bounds(10), executor=executor)
    outcomes = await asyncio.gather(*submit(batcher, pictures(street, 6), timeout_s=1), return_exceptions=True)
    assert all(isinstance(outcome, Exception) for outcome in outcomes)
    assert not any(isinstance(outcome, TimeoutError) for outcome in outcomes)
    assert batcher.in_flight == 0


@pytest.mark.parametrize("seed", range(3))
async def test_500_pictures_in_any_order_each_get_their_own_answer(
    seed: int, executor: ThreadPoolExecutor, street: Image
) -> None:
    chance = random.Random(seed)

    async def run(images: Sequence[Image]) -> list[Detections]:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        return [found(image) for image in images]

    async def one(image: Image) -> Answer:
        for _ in range(chance.randrange(50)):
            await asyncio.sleep(0)
        return await ask(batcher, image, timeout_s=10)

    model = QueuedModel(run, max_batch=8, max_in_flight=3)
    batcher = MicroBatcher(model, Metrics(), bounds=Bounds(500), executor=executor)
    images = pictures(street, 500)
    asked = [asyncio.create_task(one(image)) for image in images]
    leaving = set(chance.sample(range(500), 50))
    for number in leaving:
        asked[number].cancel()
    answers = await asyncio.gather(*(task for number, task in enumerate(asked) if number not in leaving))
    assert_answered([image for number, image in enumerate(images) if number not in leaving], answers)
    assert max(answer.batch_size for answer in answers) == 8
