"""A copy that gets its verdict on a server that never rests: real workers, whose models only take their time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from app.backends.backend import Spec
from app.backends.worker import start_program
from app.images import Image
from app.lanes.door import Door
from app.lanes.quiet import Quiet
from app.rules import GateRules
from app.settings import Settings
from app.verdicts.gate import Gate
from app.verdicts.gate_pictures import GatePicture
from app.verdicts.judge import Judge
from app.verdicts.later import Later
from app.verdicts.states import state_of
from app.wiring import Parts, build
from converter.sizes import SizeName
from converter.tolerance import Tolerance
from tests.support.app.comparing import FOLDER, numbered
from tests.support.app.gating import sourced

pytestmark = pytest.mark.anyio

start = partial(start_program, "tests.support.app.echo_worker")
SOON_S = 0.01
CLIENTS = 12  # of a native that takes two batches of four


@pytest.fixture
async def parts(saved_model: Path) -> AsyncIterator[Parts]:
    made = build(Settings(model=saved_model, copies=(), shadow_share=0), start)
    yield made
    for lane in made.routing.lanes.values():
        await lane.slot.close()
    made.executor.shutdown()


async def open_slot(parts: Parts, name: str, seconds: float) -> None:
    """Load a model that takes so long for each picture."""
    spec = Spec(name, FOLDER, max_batch=4, environ={"ECHO_SECONDS": str(seconds)})
    await parts.routing.lanes[name].slot.open(Door(spec))


def restless(parts: Parts) -> Judge:
    """A judge who does not wait long for a quiet moment."""

    async def load(size: SizeName) -> Sequence[GatePicture]:
        return sourced(numbered(20)) if size == "small" else []

    batchers = [lane.batcher for lane in parts.routing.lanes.values()]
    quiet = Quiet(batchers, measuring=asyncio.Lock(), patience_s=SOON_S, hold_s=SOON_S / 10)
    rules = GateRules(seconds=1e-9, tolerance=Tolerance(fewest_rows=20))
    gate = Gate(rules, pictures=load, quiet=quiet, clock=asyncio.get_running_loop().time)
    return Judge(parts.routing, parts.live_pairs, gate, start=start, served=parts.served)


@asynccontextmanager
async def load(parts: Parts, image: Image) -> AsyncIterator[list[int]]:
    """Clients who ask native again and again, so that it never rests; how many answers they got."""
    batcher, answers = parts.routing.lanes["native"].batcher, [0]

    async def client() -> None:
        while True:
            await batcher.submit([image])[0]  # not wait_for: it may swallow the end (python/cpython#86296)
            answers[0] += 1

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    await asyncio.sleep(0)
    rested = asyncio.create_task(batcher.wait_until_idle())
    try:
        yield answers
        assert not any(each.done() for each in [*clients, rested]), "it rested, or a request failed"
    finally:
        for task in [*clients, rested]:
            task.cancel()
        await asyncio.gather(*clients, rested, return_exceptions=True)


@pytest.mark.parametrize(("seconds", "word", "state"), [(0.0003, "passed", "active"), (0.006, "slower", "standby")])
async def test_it_is_judged_beside_the_load(seconds: float, word: str, state: str, parts: Parts, street: Image) -> None:
    await open_slot(parts, "native", 0.003)
    await open_slot(parts, "onnx", seconds)
    judge, copy = restless(parts), parts.routing.lanes["onnx"].slot.backend
    assert copy is not None
    async with load(parts, street) as answers:
        await judge.judge(copy)
        assert judge.standing("onnx").unjudged == "it could not be compared: the server never came to rest"
        before, later = answers[0], Later(judge)
        later.pause_s = SOON_S
        trying = asyncio.create_task(later.run())
        async with asyncio.timeout(60):
            while judge.unjudged():
                await parts.routing.lanes["native"].batcher.submit([street])[0]
        verdict = judge.standing("onnx").verdict
        assert verdict is not None
        assert (verdict.word, state_of(parts.routing, "onnx").name) == (word, state), verdict.reason
        assert verdict.reason.endswith("it was measured beside the load")
        assert answers[0] > before
        trying.cancel()
