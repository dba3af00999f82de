"""When pictures are run again: after those that wait for an answer, and when they are timed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.images import Image
from app.lanes.queued import Answer
from app.verdicts.shadow import MOST_TRIES, MOST_UNTIMED
from tests.support.app.comparing import ServerSetup, numbered, verdict
from tests.support.app.pairing import window
from tests.support.app.queueing import submit
from tests.support.fakes import FakeBackend, until

pytestmark = pytest.mark.anyio

SOON_S = 0.01


class Busy(ServerSetup):
    """Native and a frozen copy, one picture that waits to be run again, and requests."""

    def __init__(self, model: Path, street: Image) -> None:
        super().__init__(model, shadow_share=1 - 1e-12)  # every picture is drawn, but it is a sample
        self.street = street
        self.requests: list[asyncio.Task[Answer]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, *, patience_s: float = 60) -> None:
        self.shadow.patience_s = patience_s
        self.shadow.offer(numbered(1)[0], "abc")
        self.tasks.append(asyncio.create_task(self.shadow.run()))

    def ask(self, name: str, count: int = 1) -> list[asyncio.Task[Answer]]:
        """Requests that are answered when the backend's gate is open."""
        asked = submit(self.routing.lanes[name].batcher, [self.street] * count)
        self.requests += asked
        return asked

    async def ended(self) -> None:
        await until(lambda: self.counted("compare_pairs_total") + self.counted("compare_dropped_total") == 1)

    async def close(self) -> None:
        for task in [*self.tasks, *self.requests]:
            task.cancel()
        await super().close()


@pytest.fixture
async def bench(saved_model: Path, street: Image) -> AsyncIterator[Busy]:
    made = Busy(saved_model, street)
    await made.open("native", "frozen", verdicts={"frozen": verdict("slower")})
    yield made
    await made.close()


def shadowed(backend: FakeBackend) -> bool:
    """Whether the backend has the picture that is run again."""
    return any(image.width == 100 for batch in backend.batches for image in batch)


@pytest.mark.parametrize("name", ["native", "frozen"])
async def test_it_waits_while_a_request_runs(name: str, bench: Busy) -> None:
    backend, other = (bench.backend(each) for each in (name, "native" if name == "frozen" else "frozen"))
    backend.open_gate.clear()
    (asked,) = bench.ask(name)
    await until(lambda: len(backend.batches) == 1)
    await bench.begin()
    await asyncio.wait([asked], timeout=5 * SOON_S)
    assert not shadowed(backend)
    assert not shadowed(other)
    backend.open_gate.set()
    await bench.ended()
    assert asked.done()
    assert window(bench)["pairs"] == 1
    assert bench.counted("compare_latency_ratio_count") == 1


async def test_on_a_busy_server_it_runs_now_and_then_while_nothing_waits_but_is_not_timed(bench: Busy) -> None:
    frozen = bench.backend("frozen")
    frozen.open_gate.clear()
    bench.ask("frozen")
    await until(lambda: len(frozen.batches) == 1)
    await bench.begin(patience_s=SOON_S)
    await until(lambda: shadowed(frozen))
    frozen.open_gate.set()
    await bench.ended()
    assert (window(bench)["pairs"], window(bench)["disagree"]) == (1, 0)
    assert bench.counted("compare_latency_ratio_count") == 0
    assert bench.counted("stage_duration_seconds_count", role="shadow") == 0
    assert bench.counted("images_total", role="shadow", result="ok") == 2


async def test_never_while_a_request_waits(bench: Busy) -> None:
    native = bench.backend("native")
    native.open_gate.clear()
    batcher = bench.routing.lanes["native"].batcher
    while not batcher.depth:  # greedy: the first ones run
        bench.ask("native")
        await asyncio.sleep(0)
    await bench.begin(patience_s=SOON_S)
    await bench.ended()
    assert bench.counted("compare_dropped_total", reason="busy") == 1
    assert not shadowed(native)
    assert not shadowed(bench.backend("frozen"))


async def test_where_requests_always_wait_it_has_the_place_of_a_batch(bench: Busy) -> None:
    native = bench.backend("native")
    batcher = bench.routing.lanes["native"].batcher

    async def ask_for_ever() -> None:
        while True:
            await asyncio.gather(*batcher.submit([bench.street] * 4))

    bench.tasks += [asyncio.create_task(ask_for_ever()) for _ in range(12)]
    await until(lambda: batcher.depth > 0)
    await bench.begin(patience_s=SOON_S)
    await bench.ended()
    assert window(bench)["pairs"] == 1
    assert shadowed(native)
    assert bench.counted("compare_latency_ratio_count") <= 1, "if in the place of a batch, and not between two"
    assert bench.counted("stage_duration_seconds_count", role="shadow") == 0


async def test_it_does_not_give_up_at_once(bench: Busy) -> None:
    native = bench.backend("native")
    native.open_gate.clear()
    bench.ask("native", 20)
    await until(lambda: bench.routing.lanes["native"].batcher.depth > 0)
    await bench.begin(patience_s=5 * SOON_S)
    await asyncio.wait(bench.requests, timeout=5 * SOON_S * (MOST_TRIES - 2))
    native.open_gate.set()
    await bench.ended()
    assert bench.counted("compare_pairs_total") == 1


@pytest.mark.parametrize("name", ["native", "frozen"])
async def test_a_pair_that_a_request_disturbs_tells_of_agreement_only(name: str, bench: Busy) -> None:
    frozen = bench.backend("frozen")
    frozen.open_gate.clear()
    await bench.begin()
    await until(lambda: shadowed(frozen))
    (asked,) = bench.ask(name)
    await until(lambda: bench.routing.lanes[name].batcher.batches_begun == 1)
    frozen.open_gate.set()
    await asked
    await bench.ended()
    assert window(bench)["pairs"] == 1
    assert bench.counted("compare_latency_ratio_count") == 0
    assert bench.counted("stage_duration_seconds_count", role="shadow") == 0


async def test_a_pair_that_a_request_disturbs_is_timed_for_a_copy_that_is_undecided(bench: Busy) -> None:
    """One client that asks without a pause leaves no moment in which a pair is alone."""
    bench.routing.record_verdict("frozen", verdict("undecided"))
    frozen = bench.backend("frozen")
    frozen.open_gate.clear()
    await bench.begin()
    await until(lambda: shadowed(frozen))
    (asked,) = bench.ask("native")
    await asked
    frozen.open_gate.set()
    await bench.ended()
    assert bench.counted("compare_latency_ratio_count") == 1
    assert bench.counted("stage_duration_seconds_count", role="shadow") == 0


async def test_behind_a_client_that_never_pauses_one_has_the_place_of_a_batch_now_and_then(bench: Busy) -> None:
    batcher = bench.routing.lanes["native"].batcher

    async def ask_for_ever() -> None:
        while True:
            await asyncio.gather(*batcher.submit([bench.street]))
            bench.shadow.offer(numbered(1)[0], "abc")

    await bench.begin(patience_s=SOON_S)
    bench.tasks.append(asyncio.create_task(ask_for_ever()))
    await until(lambda: bench.counted("compare_pairs_total") > 2 * MOST_UNTIMED + 2)
    assert 2 <= bench.counted("compare_latency_ratio_count") <= bench.counted("compare_pairs_total") / MOST_UNTIMED


async def test_it_does_not_run_beside_the_gate(bench: Busy) -> None:
    frozen, native = bench.backend("frozen"), bench.backend("native")
    frozen.open_gate.clear()
    judging = asyncio.create_task(bench.parts.judge.judge(frozen))
    await until(lambda: len(frozen.batches) == 1)
    await bench.begin()
    await asyncio.wait([judging], timeout=5 * SOON_S)
    assert not shadowed(native)
    frozen.open_gate.set()
    await bench.ended()
    assert bench.counted("compare_latency_ratio_count") == 1
    judging.cancel()


async def test_requests_that_came_while_the_gate_measured_go_first(bench: Busy) -> None:
    frozen, native = bench.backend("frozen"), bench.backend("native")
    batcher = bench.routing.lanes["native"].batcher
    frozen.open_gate.clear()
    bench.tasks.append(asyncio.create_task(bench.parts.judge.judge(frozen)))
    await until(lambda: len(frozen.batches) == 1)
    await bench.begin()
    native.open_gate.clear()
    bench.ask("native", 30)
    await until(lambda: batcher.depth == 30)
    frozen.open_gate.set()
    await until(lambda: batcher.in_flight == 2)
    await asyncio.wait(bench.requests, timeout=5 * SOON_S)
    assert not shadowed(native)
    native.open_gate.set()
    await bench.ended()
    assert all(asked.done() for asked in bench.requests)
