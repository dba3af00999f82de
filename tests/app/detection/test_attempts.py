"""What one backend has no answer to is tried on another one, and what kills workers is not tried for ever."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed, WorkerDied, WorkerGone
from app.detection.detector import Query, Result
from app.errors import BackendUnavailable, CrashedTheModel, ModelFailed, Overloaded, ServiceError
from app.images import Image
from app.lanes.suspects import KNOWN_S, MOST_KNOWN, Suspects
from tests.support.app import jpegs
from tests.support.app.comparing import ServerSetup, verdict
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

POISON, PHOTOS = jpegs.photo(66, 66), [jpegs.photo(70 + number, 40) for number in range(64)]


class Trying(ServerSetup):
    """Native, and a frozen copy that answers; every worker with the poison in it dies."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, queue_limit=64)
        self.deaths = 0
        self.starter.fails = self._die_of_poison

    def _die_of_poison(self, images: Sequence[Image]) -> None:
        if any(image.data == POISON for image in images):
            self.deaths += 1
            (dying,) = [each for each in self.starter.started if each.batches and each.batches[-1] == list(images)]
            dying.die()
            raise WorkerDied("its process ended by SIGSEGV")

    async def detect(self, data: bytes, backend: str = "auto") -> Result | ServiceError:
        (found,) = await self.parts.detector.detect([data], Query(backend=backend))
        return found

    async def all(self, photos: Sequence[bytes], backend: str = "auto") -> list[Result | ServiceError]:
        return await asyncio.gather(*(self.detect(photo, backend) for photo in photos))


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[Trying]:
    made = Trying(saved_model)
    await made.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    for name in ("native", "frozen"):
        made.routing.lanes[name].slot.replicas[0].pause_s = 0.001
    yield made
    await made.close()


@pytest.mark.parametrize("backend", ["auto", "frozen"])
async def test_what_waits_for_a_copy_that_dies_goes_to_native_in_order_unless_it_was_named(
    backend: str, bench: Trying
) -> None:
    bench.backend("frozen").open_gate.clear()
    bench.starter.open_gate.clear()
    asked = asyncio.create_task(bench.all(PHOTOS, backend))
    await until(lambda: bench.routing.lanes["frozen"].batcher.depth == 62)
    bench.backend("native").open_gate.clear()
    beside = asyncio.create_task(bench.all(PHOTOS[:10], "native"))
    await until(lambda: bench.routing.lanes["native"].batcher.depth == 8)
    bench.backend("frozen").die()
    if backend == "auto":
        await until(lambda: bench.routing.lanes["native"].batcher.depth == 72)
    bench.backend("native").open_gate.set()
    found = await asked
    await beside
    assert {type(each) for each in found} == {Result if backend == "auto" else BackendUnavailable}
    run = [image.width for batch in bench.backend("native").batches for image in batch][10:]
    assert run[2:] == [70 + number for number in range(2, 64)] if backend == "auto" else not run
    bench.starter.open_gate.set()


@pytest.mark.parametrize("kind", ["other", "exhausted", "undecodable", "colours"])
async def test_a_copy_that_fails_on_what_native_takes_costs_no_answer_and_leaves_auto(kind: str, bench: Trying) -> None:
    bench.backend("frozen").fails = lambda images: BatchFailed(kind, "a kernel failed")
    found = [await bench.detect(photo) for photo in PHOTOS[:25]]
    assert {each.backend for each in found if isinstance(each, Result)} == {"native"}
    assert (len(bench.backend("frozen").batches), bench.told("frozen")[0]) == (20, "standby")
    assert "rolled back: it failed on 20 of the last 20 pictures (10 % are borne), last: " in bench.told("frozen")[1]
    assert bench.counted("compare_pairs_total", copy="frozen", source="auto", result="error") == 20


async def test_what_native_fails_on_too_is_not_held_against_a_copy(bench: Trying) -> None:
    for name in ("native", "frozen"):
        bench.backend(name).fails = lambda images: BatchFailed("other", "a kernel failed")
    assert {type(await bench.detect(photo)) for photo in PHOTOS[:25]} == {ModelFailed}
    assert bench.told("frozen")[0] == "active"


async def test_a_picture_that_kills_two_workers_is_known_and_those_beside_it_are_answered(bench: Trying) -> None:
    together = [*PHOTOS[:3], POISON, *PHOTOS[3:9]]
    found = await bench.all(together)
    assert [type(each) for each in found] == [CrashedTheModel if photo is POISON else Result for photo in together]
    assert bench.deaths == 2
    await until(lambda: all(bench.routing.lanes[name].slot.ready for name in ("native", "frozen")))
    for backend in ("auto", "native", "frozen") * 3:
        assert isinstance(await bench.detect(POISON, backend), CrashedTheModel)
    assert bench.deaths == 2


def test_what_is_held_against_a_picture() -> None:
    now = [0.0]
    suspects, death = Suspects(clock=lambda: now[0]), WorkerDied("it ended by SIGSEGV")
    first, second = (Image(jpeg, 66, 66) for jpeg in (POISON, PHOTOS[0]))
    for harmless in (WorkerGone("it has ended"), WorkerDied("it was closed", closed=True)):
        suspects.note([first], harmless)
    assert suspects.deaths(first) == 0
    suspects.note([first, second], death)
    suspects.note([first], death)  # in another batch of the same worker
    suspects.clear([second])
    assert (suspects.deaths(first), suspects.deaths(second)) == (1, 0)
    suspects.note([first], WorkerDied("it ended again"))
    assert suspects.deaths(first) == 2
    suspects.note([Image(b"%d" % number, 1, 1) for number in range(MOST_KNOWN)], death)
    assert suspects.deaths(first) == 0, "the oldest is forgotten for the newest"
    assert suspects.deaths(Image(b"7", 1, 1)) == 1
    now[0] = KNOWN_S + 1
    assert suspects.deaths(Image(b"7", 1, 1)) == 0


async def test_pictures_of_one_request_go_to_who_answers_their_size(bench: Trying) -> None:
    large = jpegs.with_size(PHOTOS[1], 3000, 2000)
    found = await bench.parts.detector.detect([PHOTOS[0], large, PHOTOS[2]], Query())
    assert [each.backend for each in found if isinstance(each, Result)] == ["frozen", "native", "frozen"]
    assert [each.image.width for each in found if isinstance(each, Result)] == [70, 3000, 72]
    bench.backend("native").open_gate.clear()
    waiting = [asyncio.create_task(bench.detect(large)) for _ in range(70)]
    await until(lambda: bench.routing.lanes["native"].batcher.depth == 64)
    with pytest.raises(Overloaded):
        await bench.parts.detector.detect([PHOTOS[0], large], Query())
    assert await bench.detect(PHOTOS[0]), "the other lane is free"
    bench.backend("native").open_gate.set()
    await asyncio.gather(*waiting, return_exceptions=True)
