"""How a fresh copy gets its verdict, or the reason why it has none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed, ModelRefused, Spec, WorkerDied
from app.verdicts.later import Later
from tests.support.app import jpegs
from tests.support.app.comparing import boxes, numbered, verdict
from tests.support.app.converting import Programs
from tests.support.app.judging import SOON_S, Judging
from tests.support.app.pairing import add, window
from tests.support.fakes import FakeBackend, FakeStarter, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def gate_images(tmp_path: Path) -> Path:
    folder = tmp_path / "gate"
    folder.mkdir()
    (folder / "street.jpg").write_bytes(jpegs.photo())
    return folder


@pytest.fixture
async def bench(saved_model: Path, gate_images: Path) -> AsyncIterator[Judging]:
    made = Judging(saved_model, gate_images=gate_images)
    await made.open("native")
    made.native(seconds=0.001)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("seconds", "count", "word"), [(0.0001, 60, "passed"), (0.002, 60, "slower"), (0, 3, "disagrees")]
)
async def test_the_verdict_is_noted(seconds: float, count: int, word: str, bench: Judging, gate_images: Path) -> None:
    (gate_images / "another.jpg").write_bytes(jpegs.photo(80, 60))
    await bench.judge.judge(bench.fresh("frozen", seconds=seconds, count=count))
    found = bench.routing.standing("frozen").verdict
    assert found is not None
    assert found.word == word
    assert bench.judge.standing("frozen").to_json() == {
        "verdict": found.to_json(),
        "rolled_back": None,
        "slower_live": {},
    }


async def test_what_was_known_of_the_one_before_is_forgotten(bench: Judging) -> None:
    await bench.open("frozen", verdicts={"frozen": verdict("passed")})
    add(bench, bad=20)
    assert bench.routing.standing("frozen").rolled_back
    await bench.judge.judge(bench.fresh("frozen"))
    assert (bench.routing.standing("frozen").rolled_back, window(bench)["pairs"]) == (None, 0)
    assert bench.told("frozen")[0] == "active"


async def test_while_native_is_not_warm_nothing_is_compared(saved_model: Path, gate_images: Path) -> None:
    bench = Judging(saved_model, gate_images=gate_images)
    await bench.judge.judge(bench.fresh("frozen"))
    await bench.open("native", "frozen")
    assert bench.told("frozen") == ("standby", "native was not warm, so it could not be compared")
    assert bench.counted("gate_verdict", copy="frozen", verdict="none") == 1
    await bench.close()


async def test_pictures_that_are_not_there_are_the_reason(bench: Judging, gate_images: Path) -> None:
    (gate_images / "street.jpg").unlink()
    await bench.open("frozen", verdicts={"frozen": verdict("passed")})
    await bench.judge.judge(bench.fresh("frozen"))
    reason = f"it could not be compared: {gate_images.name} has no JPEG file (*.jpg, *.jpeg)"
    assert bench.told("frozen") == ("standby", reason)
    assert bench.judge.standing("frozen").to_json()["verdict"] is None


@pytest.mark.parametrize("which", ["native", "frozen"])
async def test_a_batch_that_fails_is_the_reason(which: str, bench: Judging) -> None:
    copy = bench.fresh("frozen")
    failing = copy if which == "frozen" else bench.backend("native")
    failing.fails = lambda images: BatchFailed("other", "a kernel failed")
    await bench.judge.judge(copy)
    await bench.open("frozen")
    assert bench.told("frozen") == ("standby", "it could not be compared: a kernel failed")


async def test_a_server_that_never_rests_is_the_reason(bench: Judging) -> None:
    judge = bench.another(bench.parts.served.spec, bench.starter)
    native = bench.backend("native")
    native.open_gate.clear()
    (asked,) = bench.routing.lanes["native"].batcher.submit(numbered(1))
    await until(lambda: len(native.batches) == 1)
    await judge.judge(bench.fresh("frozen"))
    await bench.open("frozen")
    assert bench.told("frozen") == ("standby", "it could not be compared: the server never came to rest")
    later = Later(judge)
    later.pause_s = SOON_S
    trying = asyncio.create_task(later.run())
    await until(lambda: later.pause_s == 2 * SOON_S)
    assert judge.unjudged() == ["frozen"]
    native.open_gate.set()
    await asked
    await until(lambda: bench.routing.standing("frozen").verdict is not None)
    assert judge.unjudged() == []
    trying.cancel()


async def test_a_copy_that_crashes_over_it_is_none(bench: Judging) -> None:
    copy = bench.fresh("frozen")
    copy.die()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        await bench.judge.judge(copy)
    assert bench.routing.standing("frozen").verdict is None


async def test_that_native_crashes_over_it_is_not_the_copys_fault(bench: Judging) -> None:
    native = bench.backend("native")
    native.open_gate.clear()
    judging = asyncio.create_task(bench.judge.judge(bench.fresh("frozen")))
    await until(lambda: len(native.batches) == 1)
    native.die()
    await judging
    await bench.open("frozen")
    state, reason = bench.told("frozen")
    assert state == "standby"
    assert reason == ("it could not be compared, since what it is compared with failed: its process ended by SIGKILL")


async def test_tf_trt_is_measured_against_the_frozen_copy_that_serves(bench: Judging) -> None:
    await bench.open("frozen", verdicts={"frozen": verdict("disagrees")})
    bench.backend("frozen").answer = bench.clock.work(0.0001, lambda image: boxes(60))
    bench.native(seconds=0.002)
    await bench.judge.judge(bench.fresh("trt", seconds=0.0008))
    found = bench.routing.standing("trt").verdict
    assert found is not None
    assert found.word == "slower"
    assert "frozen ÷ trt is" in found.reason
    assert [spec.name for spec in bench.starter.asked] == ["native", "frozen"], "no other was made"


class LookingStarter(FakeStarter):
    """Looks at what it is to start."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(*failures)
        self.saw: list[list[str]] = []

    async def __call__(self, spec: Spec) -> FakeBackend:
        self.saw.append(sorted(path.name for path in spec.folder.iterdir()))
        return await super().__call__(spec)


async def test_without_one_it_is_made_for_the_purpose_and_removed(bench: Judging, programs: Programs) -> None:
    starter = LookingStarter()
    native = replace(bench.parts.served.spec, max_batch=4, hang_seconds=7)
    await bench.another(native, starter).judge(bench.fresh("trt"))
    (asked,) = starter.asked
    assert (asked.name, asked.max_batch, asked.hang_seconds) == ("frozen", 4, 7)
    assert "saved_model.pb" in starter.saw[0]
    assert not asked.folder.exists()
    assert starter.started[0].closed
    assert starter.started[0].batches
    found = bench.routing.standing("trt").verdict
    assert found is not None
    assert set(found.first.over_frozen) == {"1", "8"}


@pytest.mark.parametrize(
    ("order", "failure", "says"),
    [
        ("save: SIGSEGV", None, "it could not be compared: the converter crashed while saving"),
        ("", ModelRefused("it has no signature"), "what it is compared with failed: it has no signature"),
        ("", WorkerDied("it ended by SIGABRT"), "what it is compared with failed: it ended by SIGABRT"),
    ],
)
async def test_one_that_can_not_be_made_or_started_is_the_reason(
    order: str, failure: Exception | None, says: str, bench: Judging, programs: Programs
) -> None:
    programs.order(order)
    starter = LookingStarter(*([failure] if failure else []))
    judge = bench.another(bench.parts.served.spec, starter)
    await judge.judge(bench.fresh("trt"))
    await bench.open("trt")
    assert says in bench.told("trt")[1]
