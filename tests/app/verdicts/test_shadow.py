"""Pictures that are run again after their answer: which, when, in which order, and what becomes of them."""

import random
from pathlib import Path
from typing import NoReturn

import pytest

from app.backends.backend import BatchFailed, Spec
from app.images import Image
from app.lanes.door import Door
from app.verdicts.shadow import MOST_BYTES, MOST_WAITING
from tests.support.app.comparing import FOLDER, boxes, numbered, verdict
from tests.support.app.pairing import window
from tests.support.app.shadowing import Shadowed
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


async def test_a_picture_is_run_on_both_and_compared(bench: Shadowed) -> None:
    bench.offer(1)
    assert bench.ran == [], "not before its turn"
    bench.begin()
    await bench.ended(1)
    assert bench.ran == [("native", 0), ("frozen", 0)]
    assert bench.pairs(copy="frozen", source="shadow", result="agree") == 1
    assert bench.counted("compare_latency_ratio_count", copy="frozen") == 1
    for backend in ("native", "frozen"):
        assert bench.counted("images_total", backend=backend, role="shadow", result="ok") == 1
        observed = bench.counted("stage_duration_seconds_count", backend=backend, role="shadow", stage="infer")
        assert observed == 1
    assert bench.counted("stage_duration_seconds_count", role="serving") == 0


@pytest.mark.parametrize(("share", "taken"), [(0, 0), (1e-12, 0), (1, 10)])
async def test_a_share_of_the_pictures_is_taken(share: float, taken: int, bench: Shadowed) -> None:
    bench.shadow.share = share
    bench.offer(10)
    bench.shadow.share = 1
    bench.shadow.offer(numbered(21)[20], "the last")
    bench.begin()
    await until(lambda: ("frozen", 20) in bench.ran)
    assert len(bench.ran) == 2 * (taken + 1)
    assert bench.dropped() == 0


async def test_what_does_not_fit_is_dropped(bench: Shadowed) -> None:
    bench.offer(MOST_WAITING + 4)
    assert bench.dropped(reason="full") == 4
    bench.begin()
    await bench.ended(MOST_WAITING + 4)
    assert {number for _, number in bench.ran} == set(range(MOST_WAITING))


async def test_where_every_request_is_to_be_compared_more_wait(bench: Shadowed) -> None:
    bench.shadow.share = 1
    bench.offer(2 * MOST_WAITING)
    assert bench.dropped() == 0
    bench.begin()
    await bench.ended(2 * MOST_WAITING)
    assert bench.pairs() == 2 * MOST_WAITING


async def test_while_a_copy_is_undecided_traffic_is_to_decide_it(bench: Shadowed) -> None:
    bench.shadow.share = 1e-9
    bench.offer(10)
    bench.routing.record_verdict("frozen", verdict("undecided"))
    random.seed(1)
    for _ in range(40):
        bench.offer(1)
    bench.begin()
    await until(lambda: bench.pairs() >= 5)
    assert len({number for _, number in bench.ran}) == 1, "none of the first ten"


async def test_it_holds_no_more_than_so_many_bytes(bench: Shadowed) -> None:
    large = Image(bytes(MOST_BYTES // 3), 64, 48)
    for _ in range(5):
        bench.shadow.offer(large, "large")
    assert bench.dropped(reason="full") == 2
    bench.begin()
    await bench.ended(5)
    assert bench.pairs() == 3


async def test_both_orders_and_all_copies_take_turns(saved_model: Path) -> None:
    bench = Shadowed(saved_model)
    await bench.load("native", "frozen", "trt")
    bench.begin()
    for number in range(6):
        bench.shadow.offer(numbered(6)[number], str(number))
        await bench.ended(number + 1)
    assert [name for name, _ in bench.ran] == [
        *("native", "frozen"),
        *("native", "trt"),
        *("frozen", "native"),
        *("trt", "native"),
        *("native", "frozen"),
        *("native", "trt"),
    ]
    assert bench.pairs(copy="frozen") == bench.pairs(copy="trt") == 3
    await bench.close()


async def test_without_a_copy_nothing_is_taken(saved_model: Path) -> None:
    bench = Shadowed(saved_model)
    bench.offer(3)
    await bench.load("native")
    bench.offer(3)
    bench.begin()
    await bench.load("frozen")
    bench.shadow.offer(numbered(1)[0], "the first")
    await bench.ended(1)
    assert len(bench.ran) == 2
    await bench.close()


async def test_a_copy_that_has_gone_meanwhile_is_not_asked(bench: Shadowed) -> None:
    bench.offer(1)
    bench.starter.open_gate.clear()
    await bench.crash("frozen")
    bench.begin()
    await bench.ended(1)
    assert (bench.dropped(reason="no_copy"), bench.ran) == (1, [])


async def test_pictures_that_native_fails_on_are_dropped(bench: Shadowed) -> None:
    bench.backend("native").fails = lambda images: BatchFailed("other", "a kernel failed")
    bench.offer(2)
    bench.begin()
    await bench.ended(2)
    assert bench.dropped(reason="native_failed") == 2
    assert window(bench)["pairs"] == 0


async def test_a_copy_that_fails_is_an_error(bench: Shadowed) -> None:
    bench.backend("frozen").fails = lambda images: BatchFailed("exhausted", "out of memory")
    bench.offer(2)
    bench.begin()
    await bench.ended(2)
    assert bench.pairs(result="error") == 2
    told = window(bench)
    assert (told["errors"], told["worst"][0]["reason"]) == (2, "the copy failed: out of memory")
    assert bench.counted("images_total", backend="frozen", role="shadow", result="failed") == 2
    assert bench.counted("compare_latency_ratio_count") == 0


async def test_a_copy_that_crashes_over_a_picture_is_an_error(bench: Shadowed) -> None:
    frozen = bench.backend("frozen")
    frozen.open_gate.clear()
    bench.offer(1)
    bench.begin()
    await until(lambda: len(frozen.batches) == 1)
    frozen.die()
    await bench.ended(1)
    assert bench.pairs(result="error") == 1
    assert "SIGKILL" in window(bench)["worst"][0]["reason"]


async def test_a_copy_that_is_swapped_out_meanwhile_is_not_to_blame(bench: Shadowed) -> None:
    old = bench.backend("frozen")
    old.open_gate.clear()
    bench.offer(1)
    bench.begin()
    await until(lambda: len(old.batches) == 1)
    await bench.routing.lanes["frozen"].slot.open(Door(Spec("frozen", FOLDER, max_batch=8)))
    assert old.closed
    await bench.ended(1)
    assert bench.dropped(reason="no_copy") == 1
    assert window(bench)["pairs"] == 0


async def test_what_goes_wrong_with_one_pair_does_not_end_the_others(bench: Shadowed) -> None:
    def breaks(image: Image) -> NoReturn:
        raise RuntimeError("as the test wants it")

    frozen = bench.backend("frozen")
    frozen.answer = breaks
    bench.offer(1)
    bench.begin()
    await until(lambda: len(frozen.batches) == 1)
    frozen.answer = lambda image: boxes(1, class_id=image.width)
    bench.offer(1)
    await bench.ended(1)
    assert bench.pairs(result="disagree") == 1
