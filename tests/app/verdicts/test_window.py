"""What a window keeps: the worst pairs, until it is forgotten; and looks at pairs that count nowhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.verdicts.window import WORST
from tests.support.app.comparing import CAT, DOG, ServerSetup, boxes, verdict
from tests.support.app.pairing import add, failed, pair, window, wrong
from tests.support.converter.rows import answer

pytestmark = pytest.mark.anyio

WINDOW = 30


@pytest.fixture
async def bench(saved_model: Path) -> AsyncIterator[ServerSetup]:
    """Native and a frozen copy that passed, which answers."""
    made = ServerSetup(saved_model, rollback_window=WINDOW)
    await made.open("native", "frozen", verdicts={"frozen": verdict("passed")})
    yield made
    await made.close()


async def test_the_worst_come_first(bench: ServerSetup) -> None:
    small = answer((*DOG[:4], 0.8, DOG[5]))
    smaller = answer((*DOG[:4], 0.5, DOG[5]))
    lost = pair(answer(DOG, CAT), answer(), request_id="two are missing")
    for each in (
        pair(answer(DOG), small, request_id="less sure"),
        lost,
        pair(request_id="well"),
        failed(request_id="failed"),
        pair(answer(DOG), smaller, request_id="unsure"),
        pair(answer(DOG), answer(DOG, CAT), request_id="one too many"),
    ):
        bench.live_pairs.add(each)
    worst = window(bench)["worst"]
    assert [each["request_id"] for each in worst] == [
        "failed",
        "two are missing",
        "one too many",
        "unsure",
        "less sure",
    ]
    assert worst[0].keys() == {"request_id", "at", "agree", "reason"}
    assert (worst[1]["missing"], worst[1]["agree"]) == (2, False)
    assert "largest score difference" in worst[3]["reason"]


async def test_the_last_disagreements_are_kept_even_when_they_left_the_window(bench: ServerSetup) -> None:
    for number in range(WORST + 5):
        bench.live_pairs.add(wrong(request_id=str(number)))
    add(bench, good=2 * WINDOW)
    told = window(bench)
    assert (told["disagree"], len(told["worst"])) == (0, WORST)
    assert {each["request_id"] for each in told["worst"]} == {str(number) for number in range(5, WORST + 5)}


async def test_another_model_under_the_name_begins_anew(bench: ServerSetup) -> None:
    add(bench, bad=19)
    bench.live_pairs.forget("frozen")
    assert window(bench)["pairs"] == 0
    add(bench, bad=19)
    assert bench.routing.active == "frozen"


async def test_another_chance_is_for_copies_that_were_rolled_back(bench: ServerSetup) -> None:
    await bench.open("trt", verdicts={"trt": verdict("slower")})
    bench.live_pairs.add(pair(copy="trt"))
    add(bench, bad=20)
    bench.live_pairs.forgive()
    assert (window(bench)["pairs"], window(bench, "trt")["pairs"]) == (0, 1)


async def test_a_look_is_by_the_threshold_and_the_classes_asked_for_and_is_not_counted(bench: ServerSetup) -> None:
    ours, theirs = answer(DOG, CAT), answer(DOG)
    assert not bench.live_pairs.judge(pair(ours, theirs)).agrees
    assert bench.live_pairs.judge(pair(ours, theirs), classes=frozenset({18})).agrees
    assert not bench.live_pairs.judge(pair(ours, theirs), classes=frozenset({17})).agrees
    assert bench.live_pairs.judge(pair(ours, theirs), threshold=0.83).agrees
    assert not bench.live_pairs.judge(pair(boxes(1, score=0.15), answer()), threshold=0.05).agrees
    assert bench.counted("compare_pairs_total") == window(bench)["pairs"] == 0
