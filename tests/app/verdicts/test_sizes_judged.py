"""A copy is judged on small pictures before it serves, on others while it does."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.backends.backend import WorkerDied
from app.images import Image
from app.verdicts.later import Later
from app.verdicts.slowness import FEWEST_PAIRS, MOST_PAIRS
from converter.model.detections import Detections
from tests.support.app.comparing import boxes
from tests.support.app.judging import SOON_S, Judging
from tests.support.app.pairing import pair, wrong
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[Judging]:
    made = Judging(saved_model)
    await made.open("native")
    made.native(seconds=0.001)
    yield made
    await made.close()


async def judged_on_all_sizes(bench: Judging, copy: FakeBackend) -> dict[str, str]:
    """The words on a copy that serves, by size class."""
    judge = bench.another(bench.parts.served.spec, bench.starter, {"small": 50_000, "large": 12_000_000})
    await judge.judge(copy)
    assert set(bench.routing.answers.values()) <= {"frozen", "native"}
    assert bench.routing.answers["large"] == "native", "not judged yet"
    later = Later(judge)
    later.pause_s = SOON_S
    trying = asyncio.create_task(later.run())
    words: dict[str, str] = {}

    def known() -> bool:
        found = bench.routing.standing("frozen").verdict
        words.update({size: each.word for size, each in found.sizes.items()} if found else {})
        return "large" in words

    await until(known)
    trying.cancel()
    return words


@pytest.mark.parametrize(("slow", "answers"), [(True, "native"), (False, "frozen")])
async def test_a_copy_that_is_slower_on_large_pictures_leaves_these_to_native(
    slow: bool, answers: str, bench: Judging
) -> None:
    await bench.open("frozen")
    copy = bench.backend("frozen")
    bench.native(seconds=0.002)

    def answer(image: Image) -> Detections:
        bench.clock.take(0.005 if slow and image.pixels > 4_000_000 else 0.001)
        return boxes(60)

    copy.answer = answer
    words = await judged_on_all_sizes(bench, copy)
    assert words == {"small": "passed", "large": "slower" if slow else "passed"}, "none of the pictures is medium"
    assert bench.routing.answers == {"small": "frozen", "medium": "native", "large": answers}


async def test_a_size_at_which_the_copy_crashes_is_not_tried_again(bench: Judging) -> None:
    await bench.open("frozen")
    copy = bench.backend("frozen")

    def dies_of_large(images: Sequence[Image]) -> None:
        if images[0].pixels > 4_000_000:
            copy.die()
            raise WorkerDied("its process ended by SIGSEGV")

    copy.fails, copy.answer = dies_of_large, lambda image: boxes(60)
    judge = bench.another(bench.parts.served.spec, bench.starter, {"small": 50_000, "large": 12_000_000})
    await judge.judge(copy)
    await judge.go_on("frozen")
    with contextlib.suppress(WorkerDied):
        await judge.go_on("frozen")
    assert judge.unfinished() == []


async def test_a_copy_that_a_restless_machine_hides_is_looked_at_again(bench: Judging) -> None:
    await bench.open("frozen")
    copy, restless, rng = bench.backend("frozen"), True, random.Random(1)
    bench.native(seconds=0.002)
    copy.answer = lambda image: boxes(60)

    def call(images: Sequence[Image]) -> None:
        bench.clock.take(0.002 * len(images) * (rng.lognormvariate(0, 1.5) if restless else 0.5))

    copy.fails = call
    judge = bench.another(bench.parts.served.spec, bench.starter)
    await judge.judge(copy)
    assert bench.routing.answers["small"] == "native"
    restless = False
    while judge.unfinished():
        await judge.go_on("frozen")
    assert bench.routing.answers["small"] == "frozen"


async def test_one_that_is_slower_for_sure_is_not(bench: Judging) -> None:
    await bench.open("frozen")
    copy = bench.backend("frozen")
    copy.answer = bench.clock.work(0.02, lambda image: boxes(60))
    judge = bench.another(bench.parts.served.spec, bench.starter, {"small": 50_000})
    await judge.judge(copy)
    judged = len(copy.batches)
    while judge.unfinished():
        await judge.go_on("frozen")
    assert len(copy.batches) == judged


async def test_a_size_without_pictures_at_the_gate_is_timed_anew_by_live_pairs(bench: Judging) -> None:
    await bench.open("frozen")
    judge = bench.another(bench.parts.served.spec, bench.starter, {"small": 50_000})
    bench.native(seconds=0.002)
    bench.backend("frozen").answer = bench.clock.work(0.001, lambda image: boxes(60))
    await judge.judge(bench.backend("frozen"))

    async def timed(pairs: int, copy_s: float) -> str | None:
        for number in range(pairs):
            noise = 1 + 0.01 * (number % 3)
            bench.live_pairs.add(pair(boxes(60), size="large", native_s=0.02 * noise, copy_s=copy_s))
        while judge.unfinished():
            await judge.go_on("frozen")
        return bench.routing.answers["large"]

    await timed(0, 0)  # the gate has no large pictures
    assert await timed(FEWEST_PAIRS, 0.03) == "native"
    assert bench.routing.standing("frozen").refused_on("large")
    assert await timed(MOST_PAIRS, 0.01) == "native"
    assert await timed(FEWEST_PAIRS, 0.01) == "frozen"


async def test_what_live_pairs_found_to_disagree_is_not_overruled(bench: Judging) -> None:
    await bench.open("frozen")
    judge = bench.another(bench.parts.served.spec, bench.starter, {"small": 50_000, "large": 12_000_000})
    bench.native(seconds=0.002)
    bench.backend("frozen").answer = bench.clock.work(0.001, lambda image: boxes(60))
    await judge.judge(bench.backend("frozen"))
    for _ in range(4):
        bench.live_pairs.add(wrong(size="large"))
    while judge.unfinished():
        await judge.go_on("frozen")
    found = bench.routing.standing("frozen").verdict
    assert found
    assert (found.word_for("small"), found.word_for("large")) == ("passed", "disagrees")
