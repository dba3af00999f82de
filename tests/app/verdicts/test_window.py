"""What a window keeps: the worst pairs, until it is forgotten; and looks at pairs that count nowhere."""

import pytest

from app.verdicts.window import WORST
from tests.app.verdicts.conftest import WINDOW
from tests.support.app.comparing import CAT, DOG, ServerSetup, boxes, verdict
from tests.support.app.pairing import add, failed, pair, window, wrong
from tests.support.converter.rows import answer

pytestmark = pytest.mark.anyio


async def test_the_worst_come_first(answering: ServerSetup) -> None:
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
        answering.live_pairs.add(each)
    worst = window(answering)["worst"]
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


async def test_the_last_disagreements_are_kept_even_when_they_left_the_window(answering: ServerSetup) -> None:
    for number in range(WORST + 5):
        answering.live_pairs.add(wrong(request_id=str(number)))
    add(answering, good=2 * WINDOW)
    told = window(answering)
    assert (told["disagree"], len(told["worst"])) == (0, WORST)
    assert {each["request_id"] for each in told["worst"]} == {str(number) for number in range(5, WORST + 5)}


async def test_another_model_under_the_name_begins_anew(answering: ServerSetup) -> None:
    add(answering, bad=19)
    answering.live_pairs.forget("frozen")
    assert window(answering)["pairs"] == 0
    add(answering, bad=19)
    assert answering.routing.active == "frozen"


async def test_another_chance_is_for_copies_that_were_rolled_back(answering: ServerSetup) -> None:
    await answering.open("trt", verdicts={"trt": verdict("slower")})
    answering.live_pairs.add(pair(copy="trt"))
    add(answering, bad=20)
    answering.live_pairs.forgive()
    assert (window(answering)["pairs"], window(answering, "trt")["pairs"]) == (0, 1)


async def test_a_look_is_by_the_threshold_and_the_classes_asked_for_and_is_not_counted(answering: ServerSetup) -> None:
    ours, theirs = answer(DOG, CAT), answer(DOG)
    assert not answering.live_pairs.judge(pair(ours, theirs)).agrees
    assert answering.live_pairs.judge(pair(ours, theirs), classes=frozenset({18})).agrees
    assert not answering.live_pairs.judge(pair(ours, theirs), classes=frozenset({17})).agrees
    assert answering.live_pairs.judge(pair(ours, theirs), threshold=0.83).agrees
    assert not answering.live_pairs.judge(pair(boxes(1, score=0.15), answer()), threshold=0.05).agrees
    assert answering.counted("compare_pairs_total") == window(answering)["pairs"] == 0
