"""Who may wait in front of a backend, for how long, and what becomes of those who leave."""

import asyncio
import sys

import pytest

from app.errors import Overloaded
from app.images import Image
from tests.support.app.queueing import Make, ask, assert_answered, pictures, sizes, submit
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio


async def test_a_full_queue_refuses_at_once(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(limit=3), pictures(street, 5)
    backend.open_gate.clear()
    answers = submit(batcher, images[:4])
    await until(lambda: batcher.depth == 3)
    refused = ask(batcher, images[4], timeout_s=10)
    with pytest.raises(Overloaded, match="3 pictures are waiting already") as caught:
        refused.send(None)  # it does not even give way to the event loop
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 0
    backend.open_gate.set()
    assert_answered(images[:4], await asyncio.gather(*answers))
    assert_answered(images[4:], await asyncio.gather(*submit(batcher, images[4:])))


async def test_retry_after_is_the_time_that_the_queue_takes(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(limit=4, max_batch=1), pictures(street, 6)
    backend.open_gate.clear()
    first = submit(batcher, images[:1])
    await until(lambda: len(backend.batches) == 1)
    backend.open_gate.set()
    (answer,) = await asyncio.gather(*first)
    backend.open_gate.clear()
    waiting = submit(batcher, images[1:])
    await until(lambda: batcher.depth == 4)
    with pytest.raises(Overloaded) as caught:
        await ask(batcher, images[0], timeout_s=10)
    assert caught.value.retry_after_s == pytest.approx(4 * answer.infer_s)
    backend.open_gate.set()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("where", ["queued", "in flight"])
async def test_a_caller_that_gives_up_never_strands_its_neighbours(
    where: str, make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher, images = make(), pictures(street, 7)
    backend.open_gate.clear()
    first = submit(batcher, images[:1])
    await until(lambda: len(backend.batches) == 1)
    others = submit(batcher, images[1:])
    await until(lambda: batcher.depth == 6)
    if where == "in flight":
        release = backend.open_gate
        backend.open_gate = asyncio.Event()
        release.set()
        await until(lambda: len(backend.batches) == 2)
    gone, staying = others[2], [*first, *others[:2], *others[3:]]
    gone.cancel()
    await asyncio.wait([gone])
    backend.open_gate.set()
    answers = await asyncio.gather(*staying)
    assert_answered([*images[:3], *images[4:]], answers)
    assert gone.cancelled()
    assert sizes(backend) == ([1, 5] if where == "queued" else [1, 6])
    assert (batcher.depth, batcher.in_flight) == (0, 0)


async def test_who_has_left_takes_no_place_and_keeps_no_picture(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher, images = make(limit=2), pictures(street, 3)
    backend.open_gate.clear()
    running = submit(batcher, images[:1])
    await until(lambda: len(backend.batches) == 1)
    waiting = submit(batcher, images[1:2])
    await until(lambda: batcher.depth == 1)
    references = sys.getrefcount(images[2])
    for _ in range(100):
        (gone,) = submit(batcher, images[2:])
        await until(lambda: batcher.depth == 2)
        gone.cancel()
        await asyncio.wait([gone])
        assert batcher.depth == 1
    assert len(batcher._waiting._small) < 4, "nor a line of its own"
    del gone
    assert sys.getrefcount(images[2]) < references + 10
    backend.open_gate.set()
    await asyncio.gather(*running, *waiting)
    assert sizes(backend) == [1, 1]


async def test_what_is_queued_beyond_its_deadline_is_never_run(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(), pictures(street, 4)
    backend.open_gate.clear()
    patient = submit(batcher, images[:2])
    await until(lambda: batcher.depth == 1)
    with pytest.raises(TimeoutError):
        await ask(batcher, images[2], timeout_s=0.01)
    assert batcher.depth == 1
    backend.open_gate.set()
    assert_answered(images[:2], await asyncio.gather(*patient))
    assert_answered(images[3:], await asyncio.gather(*submit(batcher, images[3:])))
    assert images[2] not in [image for batch in backend.batches for image in batch]


async def test_a_deadline_in_flight_harms_no_neighbour(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher, images = make(in_flight=1), pictures(street, 3)
    backend.open_gate.clear()
    patient = submit(batcher, images[1:2])
    with pytest.raises(TimeoutError):
        await ask(batcher, images[0], timeout_s=0.01)
    backend.open_gate.set()
    assert_answered(images[1:2], await asyncio.gather(*patient))
    assert_answered(images[2:], await asyncio.gather(*submit(batcher, images[2:])))


async def test_requests_with_many_pictures_and_with_one_take_turns(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher = make(max_batch=2)
    backend.open_gate.clear()
    images = pictures(street, 8)
    first = batcher.submit(images[:1])  # in the model, while the others wait
    many, single, pair = batcher.submit(images[1:5]), batcher.submit(images[5:6]), batcher.submit(images[6:])
    await until(lambda: len(backend.batches) == 1)
    backend.open_gate.set()
    await asyncio.gather(*first, *many, *single, *pair)
    order = [image.width - 100 for batch in backend.batches for image in batch]
    assert order == [0, 1, 5, 6, 2, 7, 3, 4]


async def test_large_pictures_take_turns_with_small_ones(make: Make, backend: FakeBackend, street: Image) -> None:
    batcher = make(max_batch=2, in_flight=1)
    backend.open_gate.clear()
    large, small = [Image(street.data, 5_000, 1_000 + n) for n in range(6)], pictures(street, 5)
    asked = [future for image in (small[0], *large, *small[1:]) for future in batcher.submit([image])]
    await until(lambda: len(backend.batches) == 1)
    backend.open_gate.set()
    await asyncio.gather(*asked)
    assert backend.batches == [[small[0]], large[:2], small[1:3], large[2:4], small[3:], large[4:]]


async def test_several_pictures_count_each_and_are_taken_all_or_none(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher = make(limit=5)
    backend.open_gate.clear()
    images = pictures(street, 9)
    taken = [*batcher.submit(images[:1]), *batcher.submit(images[1:5])]
    assert batcher.depth == 4
    with pytest.raises(Overloaded, match="4 pictures are waiting already; the limit is 5"):
        batcher.submit(images[5:7])
    assert batcher.depth == 4
    taken += batcher.submit(images[5:6])
    backend.open_gate.set()
    assert_answered([*images[:6]], await asyncio.gather(*taken))


async def test_pixels_in_flight_are_bounded_and_those_that_wait_too(
    make: Make, backend: FakeBackend, street: Image
) -> None:
    batcher = make(max_batch=4, in_flight=2, max_pixels=100)
    large, small = Image(street.data, 25, 2), Image(street.data, 5, 2)
    backend.open_gate.clear()
    first = batcher.submit([Image(street.data, 1000, 1)])  # one alone may be larger
    many = batcher.submit([large] * 33)  # more than may ever wait, but nothing else does
    with pytest.raises(
        Overloaded, match=r"pictures with 1,650 pixels in all are waiting, and this request has .*; the limit is 1,600$"
    ):
        batcher.submit([small])
    backend.open_gate.set()
    await asyncio.gather(*first, *many)
    pixels = [sum(image.pixels for image in batch) for batch in backend.batches]
    assert pixels[0] == 1000
    assert max(pixels[1:]) <= 100
