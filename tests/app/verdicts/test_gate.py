"""What the gate decides from numbers, and how it comes by them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.backends.backend import BatchFailed, WorkerDied
from app.images import Image
from app.rules import GateRules
from app.verdicts.gate import rules_json
from app.verdicts.verdict import IN_FLIGHT, SizeVerdict
from converter.comparison.agreement import Agreement
from converter.comparison.timing import Ratio
from tests.support.app import jpegs
from tests.support.app.comparing import agreement, ratio
from tests.support.app.gating import GateSetup
from tests.support.fakes import FACTS

pytestmark = pytest.mark.anyio

GOOD, FEW, WORSE = agreement(30), agreement(10), agreement(30, score_diff=0.06)


@pytest.mark.parametrize(
    ("words", "lows", "word"),
    [
        ({"1": GOOD, "8": GOOD}, (1.03, 0.96), "passed"),
        ({"1": GOOD, "8": GOOD}, (0.96, 1.03), "passed"),
        ({"1": GOOD, "8": GOOD}, (1.02, 0.96), "slower"),  # above is asked for
        ({"1": GOOD, "8": GOOD}, (1.03, 0.95), "slower"),
        ({"1": GOOD, "8": GOOD}, (1.01, 1.01), "slower"),
        ({"1": GOOD, "8": GOOD}, (), "slower"),
        ({"1": GOOD}, (1.03,), "passed"),
        ({"1": GOOD}, (1.01,), "slower"),
        ({"1": FEW, "8": FEW}, (1.5, 1.5), "undecided"),
        ({"1": FEW, "8": FEW}, (0.5, 0.5), "undecided"),
        ({"1": GOOD, "8": FEW}, (1.5, 1.5), "undecided"),
        ({"1": GOOD, "8": WORSE}, (), "disagrees"),
        ({"1": WORSE, "8": FEW}, (), "disagrees"),
    ],
)
def test_the_verdict_follows_from_the_numbers(
    words: Mapping[str, Agreement], lows: tuple[float, ...], word: str
) -> None:
    assert decided(words, lows).word == word


def test_a_copy_that_may_be_slower_may_be_so_at_every_batch_size() -> None:
    gate = GateSetup(rules=GateRules(speedup=0.5)).gate()
    assert gate.decide("onnx", {"1": GOOD}, {"1": ratio(0.6)}, {}).word == "passed"
    assert gate.decide("onnx", {"1": GOOD, "8": GOOD}, {"1": ratio(0.6), "8": ratio(0.51)}, {}).word == "passed"
    assert gate.decide("onnx", {"1": GOOD, "8": GOOD}, {"1": ratio(0.6), "8": ratio(0.49)}, {}).word == "slower"


@pytest.mark.parametrize(
    ("lows", "word"),
    [
        ((1.001, 0.96), "passed"),
        ((1.0, 1.0), "slower"),
        ((0.99, 0.99), "slower"),
        ((1.1, 0.95), "slower"),
    ],
)
def test_tf_trt_must_also_beat_a_frozen_copy(lows: tuple[float, float], word: str) -> None:
    over_frozen = dict(zip(("1", "8"), map(ratio, lows), strict=True))
    found = GateSetup().gate().decide("trt", {"1": GOOD, "8": GOOD}, {"1": ratio(2), "8": ratio(2)}, over_frozen)
    assert found.word == word
    assert ("frozen ÷ trt" in found.reason) == (word == "slower")


def decided(words: Mapping[str, Agreement], lows: Sequence[float]) -> SizeVerdict:
    ratios: dict[str, Ratio] = {size: ratio(low) for size, low in zip(("1", "8"), lows, strict=False)}
    return GateSetup().gate().decide("frozen", words, ratios, {})


def test_a_verdict_tells_its_numbers_and_the_limits() -> None:
    passed = decided({"1": GOOD, "8": GOOD}, (1.2, 0.98))
    assert passed.reason == (
        "native ÷ frozen is 1.25 (1.2 to 1.3) at batch 1, 1.03 (0.98 to 1.08) at batch 8; "
        "equal to rounding in all 60 rows from score 0.05 up, mean IoU 1 (0.95 needed), "
        "largest score difference 0 (0.05 allowed)"
    )
    slower = decided({"1": GOOD, "8": GOOD}, (0.9, 0.8))
    assert slower.reason == (
        "native ÷ frozen is 0.95 (0.9 to 1) at batch 1, 0.85 (0.8 to 0.9) at batch 8; "
        "lower bounds above 1.02 at one and 0.95 at the others are needed"
    )
    assert decided({"1": GOOD}, (0.9,)).reason.endswith("; lower bounds above 1.02 are needed")
    assert decided({"1": GOOD}, ()).reason == "it was never timed"
    worse = decided({"1": GOOD, "8": WORSE}, ()).reason
    assert worse == "largest score difference 0.06 (0.05 allowed), at batch 8"
    few = decided({"1": FEW, "8": FEW}, ()).reason
    assert few.startswith(
        "0 % of 10 boxes of 5 photos wrong (1 % is good, 5 % bad), only 20 rows, 30 are needed, "
        "200 boxes of 40 photos are needed, "
    )


def test_copies_are_ranked_by_what_they_gain_for_sure() -> None:
    assert decided({"1": GOOD, "8": GOOD}, (1.1, 1.3)).speedup == 1.3
    assert decided({"1": WORSE}, ()).speedup == 0


def test_rules_and_verdict_are_plain_data() -> None:
    told: dict[str, Any] = decided({"1": GOOD, "8": GOOD}, (1.2, 0.98)).to_json()
    assert (told["verdict"], told["agreement"]["8"]["native_boxes"]) == ("passed", 30)
    assert told["native_over_copy"]["8"] == {"value": 1.03, "low": 0.98, "high": 1.08, "pairs": 60}
    assert told["frozen_over_copy"] == {}
    assert rules_json(GateRules(speedup=1.5)).items() >= {"speedup": 1.5, "not_slower": 0.95, "mean_iou": 0.95}.items()


async def test_a_copy_that_is_faster_and_agrees_passes() -> None:
    bench = GateSetup()
    found = await bench.judge(bench.backend("native", seconds=0.001), bench.backend("frozen", seconds=0.0001))
    assert found.word == "passed"
    assert {size: each.native_boxes for size, each in found.agreement.items()} == {"1": 60, "8": 60}
    assert all(each.value > 2 for each in found.ratios.values())


async def test_a_copy_that_runs_elsewhere_is_judged_as_what_it_got_and_says_so() -> None:
    bench = GateSetup()
    fallen = replace(FACTS, fallback="CUDA was asked for and runs none of 20 nodes, CPU does")
    copy = bench.backend("onnx", seconds=0.0001, facts=fallen)
    found = await bench.judge(bench.backend("native", seconds=0.001), copy)
    assert found.word == "passed"
    assert found.reason.endswith("; CUDA was asked for and runs none of 20 nodes, CPU does")


async def test_a_copy_that_takes_longer_is_slower() -> None:
    bench = GateSetup()
    found = await bench.judge(bench.backend("native", seconds=0.0001), bench.backend("frozen", seconds=0.001))
    assert found.word == "slower"
    assert all(each.value < 0.5 for each in found.ratios.values())


async def test_a_copy_that_finds_something_else_is_not_even_timed() -> None:
    bench = GateSetup()
    found = await bench.judge(bench.backend("native"), bench.backend("frozen", count=4))
    assert (found.word, found.ratios) == ("disagrees", {})
    assert {size: each.extra for size, each in found.agreement.items()} == {"1": 20, "8": 20}
    assert len(bench.moments()) == 20 + 3


async def test_pictures_without_boxes_leave_it_undecided_but_timed() -> None:
    bench = GateSetup()
    found = await bench.judge(bench.backend("native", count=0), bench.backend("frozen", count=0))
    assert (found.word, set(found.ratios)) == ("undecided", {*map(str, range(1, 9)), IN_FLIGHT})


async def test_a_yardstick_is_timed_against_tf_trt_too() -> None:
    bench = GateSetup()
    native, frozen = bench.backend("native", seconds=0.002), bench.backend("frozen", seconds=0.0001)
    found = await bench.judge(native, bench.backend("trt", seconds=0.0008), frozen)
    assert found.word == "slower"
    assert "frozen ÷ trt" in found.reason
    assert all(each.value < 0.5 for each in found.over_frozen.values())
    assert all(each.value > 2 for each in found.ratios.values())


@pytest.mark.parametrize("error", [BatchFailed("other", "a kernel failed"), WorkerDied("it ended by SIGKILL")])
async def test_a_backend_that_fails_is_not_judged(error: Exception) -> None:
    bench = GateSetup()
    copy = bench.backend("frozen")
    if isinstance(error, BatchFailed):
        copy.fails = lambda images: error
    else:
        copy.die(str(error))
    with pytest.raises(type(error), match=str(error)):
        await bench.judge(bench.backend("native"), copy)


async def test_forms_of_files_that_one_of_them_does_not_take_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    bench = GateSetup(pictures=8)
    grey = Image(jpegs.photo(mode="L"), 64, 48)
    copy = bench.backend("frozen")
    copy.fails = lambda images: BatchFailed("colours", "no grey") if grey in images else None
    found = await bench.judge(bench.backend("native"), copy, more=[grey])
    assert found.agreement["1"].pictures == 8
    assert "gate picture left out reason='no grey'" in caplog.text


async def test_without_pictures_of_a_class_there_is_no_verdict_on_it() -> None:
    bench = GateSetup()
    assert await bench.gate().judge(bench.backend("native"), bench.backend("frozen"), size="large") is None
