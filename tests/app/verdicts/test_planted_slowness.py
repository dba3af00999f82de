"""Copies with a planted slowness: the gate or live pairs find it, native answers there, and mended they answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from app.images import Image
from app.verdicts.shadow import MOST_WAITING_OF_ALL
from app.verdicts.slowness import FEWEST_FOR_GATE, NO_STALLS
from converter.sizes import SizeName
from tests.support.app import jpegs
from tests.support.app.comparing import boxes
from tests.support.app.judging import Judging
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

PIXELS: Mapping[SizeName, int] = {"small": 400_000, "medium": 2_000_000, "large": 12_000_000}
NATIVE_S, COPY_S, MORE_S = 0.02, 0.01, 0.09  # for a picture; for a call that is slower by the planted fault

Fault = Callable[
    [Sequence[Image], int], bool
]  # whether a call of these pictures, the copy's so-and-so-manieth, is slow


class Planted(Judging):
    """Native, and a copy that is twice as fast but for its fault; it serves, is judged, and is asked by traffic."""

    calls = run = 0
    mended = False

    async def serve(self, fault: Fault) -> None:
        await self.open("native", "frozen")
        self.native(seconds=NATIVE_S)
        copy = self.backend("frozen")
        copy.answer = self.clock.work(COPY_S, lambda image: boxes(60))

        def call(images: Sequence[Image]) -> None:
            self.calls += 1
            if not self.mended and fault(images, self.calls):
                self.clock.take(MORE_S)

        copy.fails = call
        self.asked = self.another(self.parts.served.spec, self.starter, PIXELS, measuring=self.shadow.measuring.alone)
        self.pairing = asyncio.create_task(self.shadow.run())
        await self.asked.judge(copy)
        await self.judge_on()
        assert self.judged() == set(PIXELS)

    async def judge_on(self) -> None:
        """What the server does while it serves, after a pause: judge what is left, or asked for again."""
        for copy in self.asked.unfinished():
            await self.asked.go_on(copy)
            await self.judge_on()

    def judged(self) -> set[str]:
        found = self.routing.standing("frozen").verdict
        return set(found.sizes) if found else set()

    async def traffic(self, size: SizeName, count: int) -> None:
        """So many pictures that have been answered, each of which becomes a pair."""
        pairs = self.metrics.compare_pairs.labels("frozen", "shadow", "agree")
        picture, run = Image(jpegs.photo(), 1000, PIXELS[size] // 1000), self.run + count
        while self.run < run:
            part = min(MOST_WAITING_OF_ALL, run - self.run)
            for _ in range(part):
                self.shadow.offer(picture, "abc")
            self.run += part
            await until(lambda: pairs._value.get() == self.run)

    async def close(self) -> None:
        self.pairing.cancel()
        await super().close()


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[Planted]:
    made = Planted(saved_model)
    yield made
    await made.close()


async def test_a_copy_that_is_slower_only_at_12_megapixels(bench: Planted) -> None:
    await bench.serve(lambda images, call: images[0].pixels == PIXELS["large"])
    assert bench.routing.answers == {"small": "frozen", "medium": "frozen", "large": "native"}
    await bench.traffic("large", 2 * FEWEST_FOR_GATE)
    assert bench.routing.answers["large"] == "native", "live pairs see it too"
    bench.mended = True
    await bench.traffic("large", 300)
    await bench.judge_on()
    assert bench.routing.answers["large"] == "frozen"


async def test_a_copy_that_is_slower_only_at_batch_3(bench: Planted) -> None:
    await bench.serve(lambda images, call: len(images) == 3)
    assert set(bench.routing.answers.values()) == {"native"}
    assert "at batch 3; no batch size may be slower" in bench.told("frozen")[1]
    judged = bench.calls
    await bench.traffic("small", FEWEST_FOR_GATE + 6)
    await bench.judge_on()
    assert bench.calls > judged + 2 * FEWEST_FOR_GATE
    assert bench.routing.answers["small"] == "native", "live pairs do not see it, and the gate that they ask does"
    bench.mended = True
    await bench.traffic("small", 3 * FEWEST_FOR_GATE)
    await bench.judge_on()
    assert bench.routing.answers["small"] == "frozen"


async def test_a_copy_of_which_every_50th_call_stalls(bench: Planted) -> None:
    await bench.serve(lambda images, call: call % 50 == 0)
    assert bench.routing.answers["small"] == "frozen", "its usual calls are faster, and the gate sees few"
    await bench.traffic("small", 500)
    assert bench.routing.answers["small"] == "native"
    assert bench.counted("sizes_lost_total", copy="frozen", size="small", kind="stalls") == 1
    await bench.traffic("small", NO_STALLS + 50)
    assert bench.routing.answers["small"] == "native", "it still stalls"
    bench.mended = True
    await bench.traffic("small", 600)
    assert bench.routing.answers["small"] == "frozen"
