"""`backend=both`: two answers to a picture and how they differ; native's is worth something alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.backends.backend import BatchFailed
from app.detection.detector import Query, Result
from app.detection.side_by_side import SideBySideResult
from app.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InvalidImage,
    ModelFailed,
    NotAJpeg,
    Overloaded,
    ServiceError,
)
from tests.support.app import jpegs
from tests.support.app.both import SideBySideSetup
from tests.support.app.comparing import CAT, DOG, numbered, verdict
from tests.support.app.pairing import window
from tests.support.converter.rows import answer
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[SideBySideSetup]:
    made = SideBySideSetup(saved_model)
    await made.load()
    yield made
    await made.close()


def classes(result: Result | ServiceError) -> list[int]:
    assert isinstance(result, Result)
    found: list[int] = result.detections.classes.tolist()
    return found


async def test_both_answer_and_the_difference_is_told(bench: SideBySideSetup) -> None:
    (twin,) = await bench.ask([PHOTO])
    assert (classes(twin.native), classes(twin.copy)) == ([18, 17], [18])
    assert isinstance(twin.copy, Result)
    assert (twin.native.backend, twin.copy.backend) == ("native", "frozen")
    told = twin.comparison
    assert told is not None
    assert told.items() >= {"copy": "frozen", "agree": False, "matched": 1, "missing": 1, "extra": 0}.items()
    assert told["reason"].startswith("50 % of 2 boxes of 1 photo wrong (1 % is good, 5 % bad)")
    assert told["native_ms"] == round(1000 * twin.native.infer_s, 2)
    assert told["copy_ms"] == round(1000 * twin.copy.infer_s, 2)


async def test_the_difference_is_by_what_was_asked_for_the_window_by_the_gates_limits(
    bench: SideBySideSetup,
) -> None:
    for query in (Query(threshold=0.83), Query(classes=frozenset({18}))):
        (twin,) = await bench.ask([PHOTO], query)
        assert classes(twin.native) == classes(twin.copy) == [18]
        assert twin.comparison is not None
        assert twin.comparison.items() >= {"agree": True, "matched": 1, "missing": 0, "reason": ""}.items()
    (twin,) = await bench.ask([PHOTO], Query(classes=frozenset({17})))
    assert twin.comparison is not None
    assert twin.comparison.items() >= {"agree": False, "matched": 0, "missing": 1}.items()
    assert (window(bench)["pairs"], window(bench)["disagree"]) == (3, 3)
    assert window(bench)["worst"][0]["request_id"] == "abc"
    assert bench.counted("compare_pairs_total", copy="frozen", source="both", result="disagree") == 3
    assert window(bench)["native_over_copy"] is None
    assert bench.counted("compare_latency_ratio_count") == 0, "they did not run alone"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (Query(), [(0, 0), (2, 1), (1, 2), (3, 3)]),
        (Query(classes=frozenset({17, 82})), [(1, 0), (0, 1)]),  # places are those among the boxes of these classes
        (Query(classes=frozenset({82, 18})), [(0, 0), (1, 1)]),
        (Query(max_detections=2), [(0, 0), (None, 1), (1, None)]),  # the partner is beyond, the cup is in both
        (Query(max_detections=1, classes=frozenset({17, 82})), [(None, 0), (0, None)]),
        (Query(threshold=0.63), [(0, 0), (None, 1), (1, 2)]),  # native's lamp is below
        (Query(threshold=0.73, classes=frozenset({17, 82})), [(0, None)]),  # the copy's cat is below, its lamp near
        (Query(threshold=0.95), []),
    ],
)
async def test_pairs_name_the_boxes_that_were_answered(
    query: Query, pairs: list[tuple[int | None, int | None]], bench: SideBySideSetup
) -> None:
    """The cat is native's second and the copy's third, the lamp the other way round."""
    lamp, cup = (70, 70, 90, 90), (70, 10, 90, 40)
    bench.native.answer = lambda image: answer(DOG, CAT, (*lamp, 0.6, 82), (*cup, 0.5, 47))
    bench.frozen.answer = lambda image: answer(DOG, (*lamp, 0.75, 82), (*CAT[:4], 0.7, 17), (*cup, 0.45, 47))
    (twin,) = await bench.ask([PHOTO], query)
    assert twin.comparison is not None
    assert [(pair["native"], pair["copy"]) for pair in twin.comparison["pairs"]] == pairs
    assert all(pair["kind"] == "matched" and pair["iou"] == 1 for pair in twin.comparison["pairs"])


async def test_a_copy_can_be_named(bench: SideBySideSetup) -> None:
    await bench.open("trt", verdicts={"trt": verdict("passed")})
    (twin,) = await bench.both.detect([PHOTO], Query(), "abc", copy="frozen")
    assert isinstance(twin, SideBySideResult)
    assert twin.comparison is not None
    assert twin.comparison["copy"] == "frozen"
    with pytest.raises(BackendUnavailable, match="'onnx' is"):
        await bench.both.detect([PHOTO], Query(), "abc", copy="onnx")
    assert bench.counted("images_total", backend="none", result="unavailable") == 1


async def test_the_copy_is_the_active_one_or_the_best(bench: SideBySideSetup) -> None:
    await bench.open("trt", verdicts={"trt": verdict("passed")})
    (twin,) = await bench.ask([PHOTO])
    assert isinstance(twin.copy, Result)
    assert twin.copy.backend == "trt"
    bench.routing.choose("frozen")
    (twin,) = await bench.ask([PHOTO])
    assert isinstance(twin.copy, Result)
    assert twin.copy.backend == "frozen"


async def test_a_copy_that_is_swapped_out_meanwhile_is_not_to_blame(bench: SideBySideSetup) -> None:
    bench.frozen.open_gate.clear()
    asking = asyncio.create_task(bench.ask([PHOTO]))
    await until(lambda: len(bench.frozen.batches) == 1)
    bench.routing.record_verdict("frozen", verdict("passed"))
    bench.frozen.open_gate.set()
    (twin,) = await asking
    assert twin.comparison is not None
    assert window(bench)["pairs"] == 0


async def test_without_a_copy_nobody_is_asked(saved_model: Path) -> None:
    bench = SideBySideSetup(saved_model)
    await bench.open("native")
    with pytest.raises(BackendUnavailable, match="no copy to compare native with: frozen is loading"):
        await bench.ask([PHOTO, PHOTO])
    assert bench.native.batches == []
    assert bench.counted("images_total", backend="none", result="unavailable") == 2
    assert bench.counted("failures_total", reason="backend_unavailable") == 2
    await bench.close()


async def test_without_native_there_is_no_answer(bench: SideBySideSetup) -> None:
    bench.starter.open_gate.clear()
    await bench.crash("native")
    with pytest.raises(BackendUnavailable, match="'native' is crashed"):
        await bench.ask([PHOTO])
    assert bench.frozen.batches == []


async def test_a_picture_that_native_fails_on_is_not_given_to_the_copy(bench: SideBySideSetup) -> None:
    bench.native.fails = lambda images: BatchFailed("other", "a kernel failed")
    with pytest.raises(ModelFailed):
        await bench.ask([PHOTO])
    assert bench.frozen.batches == []
    assert window(bench)["pairs"] == 0


def assert_alone(twin: SideBySideResult, bench: SideBySideSetup, error: type[ServiceError]) -> None:
    assert classes(twin.native) == [18, 17]
    assert isinstance(twin.copy, error)
    assert twin.comparison is None
    assert window(bench)["pairs"] == 0


async def test_native_answers_alone_if_the_copy_fails(bench: SideBySideSetup) -> None:
    bench.frozen.fails = lambda images: BatchFailed("other", "a kernel failed")
    (twin,) = await bench.ask([PHOTO])
    assert_alone(twin, bench, ModelFailed)


async def test_native_answers_alone_if_the_copy_crashes_over_it(bench: SideBySideSetup) -> None:
    frozen = bench.frozen
    frozen.open_gate.clear()
    asked = asyncio.create_task(bench.ask([PHOTO]))
    await until(lambda: len(frozen.batches) == 1)
    frozen.die()
    (twin,) = await asked
    assert_alone(twin, bench, BackendUnavailable)
    assert len(bench.native.batches) == 1, "it is asked once"


async def test_native_answers_alone_if_the_copy_is_gone_by_then(bench: SideBySideSetup) -> None:
    bench.native.open_gate.clear()
    asked = asyncio.create_task(bench.ask([PHOTO, PHOTO]))
    await until(lambda: len(bench.native.batches) == 1)
    await bench.crash("frozen")
    bench.native.open_gate.set()
    for twin in await asked:
        assert_alone(twin, bench, BackendUnavailable)


async def test_native_answers_alone_if_the_copys_queue_is_full(bench: SideBySideSetup) -> None:
    bench.frozen.open_gate.clear()
    lane = bench.routing.lanes["frozen"]
    for count in (1, 1, 4):  # two batches in it, and as many pictures as may wait
        lane.batcher.submit(numbered(count))
    (twin,) = await bench.ask([PHOTO])
    assert_alone(twin, bench, Overloaded)


async def test_the_deadline_is_for_both_together(bench: SideBySideSetup) -> None:
    bench.frozen.open_gate.clear()
    started = time.monotonic()
    (twin,) = await bench.ask([PHOTO], Query(timeout_s=0.05))
    assert time.monotonic() - started < 5, "not the server's own"
    assert_alone(twin, bench, DeadlineExceeded)
    bench.native.open_gate.clear()
    with pytest.raises(DeadlineExceeded):
        await bench.ask([PHOTO], Query(timeout_s=0.05))


async def test_several_pictures_keep_their_places(bench: SideBySideSetup) -> None:
    pictures: list[bytes | ServiceError] = [PHOTO, b"hello", jpegs.photo(width=80, height=60), NotAJpeg("it is none")]
    found = await bench.both.detect(pictures, Query(), "abc")
    assert [type(each) for each in found] == [SideBySideResult, NotAJpeg, SideBySideResult, NotAJpeg]
    twins = [each for each in found if isinstance(each, SideBySideResult)]
    assert [each.native.image.width for each in twins] == [64, 80]
    assert [each.copy.image.width for each in twins if isinstance(each.copy, Result)] == [64, 80]
    assert (len(bench.native.batches), len(bench.frozen.batches)) == (1, 1)
    assert bench.counted("images_total", result="rejected") == 2


async def test_pictures_that_are_none_at_all_ask_no_copy(bench: SideBySideSetup) -> None:
    found = await bench.both.detect([b"hello", jpegs.cut_in_header(PHOTO)], Query(), "abc")
    assert [type(each) for each in found] == [NotAJpeg, InvalidImage]
    assert bench.native.batches == bench.frozen.batches == []
