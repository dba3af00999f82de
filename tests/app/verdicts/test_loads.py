"""Under which loads the gate times a copy, and that it finds slowness under each of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.backends.backend import BatchFailed
from app.images import Image
from app.rules import GateRules
from app.verdicts.loads import FEW_PAIRS, FEWEST_PAIRS, FEWEST_ROUNDS, MOST_PAIRS, ROUND, between
from app.verdicts.verdict import IN_FLIGHT
from tests.support.app.gating import GateSetup
from tests.support.fakes import FACTS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("native", "copy", "sizes"),
    [((1, 8), (1, 8), {1, 8}), ((1, 8), (1, 4), {1, 4}), ((1, 2), (1, 8), {1, 2}), ((1, 8), (1,), {1})],
)
async def test_it_measures_one_picture_and_the_most_that_both_can_take(
    native: tuple[int, ...], copy: tuple[int, ...], sizes: set[int]
) -> None:
    bench = GateSetup(pictures=16)
    ours, theirs = (bench.backend("x", facts=replace(FACTS, batch_sizes=each)) for each in (native, copy))
    found = await bench.judge(ours, theirs)
    most = max(sizes)
    assert set(found.agreement) == {str(size) for size in sizes}
    assert set(found.ratios) == {*map(str, range(1, most + 1)), IN_FLIGHT}


async def test_it_waits_until_native_has_tried_its_largest_batch() -> None:
    bench = GateSetup(pictures=16)
    native = bench.backend("native", facts=replace(FACTS, batch_sizes=(1,)))
    native.settling.clear()
    judging = asyncio.create_task(bench.judge(native, bench.backend("frozen")))
    await asyncio.wait({judging}, timeout=0.05)
    native.facts = replace(FACTS, batch_sizes=(1, 8))
    native.settling.set()
    assert set((await judging).agreement) == {"1", "8"}


async def test_both_run_in_each_moment_of_calm_and_take_turns_in_being_first() -> None:
    bench = GateSetup(pictures=20)
    await bench.judge(bench.backend("native"), bench.backend("frozen"))
    moments = bench.moments()
    compared, timed = moments[:23], moments[23:]
    assert [size for (_, size), _ in compared] == [1] * 20 + [8, 8, 4]
    first = [[("native", 1), ("frozen", 1)], [("frozen", 1), ("native", 1)]]
    eight = [[("native", 8), ("frozen", 8)], [("frozen", 8), ("native", 8)]]
    assert timed[: 2 * FEWEST_PAIRS] == first * (FEWEST_PAIRS // 2) + eight * (FEWEST_PAIRS // 2)
    others, rushes = timed[2 * FEWEST_PAIRS : -FEWEST_ROUNDS], timed[-FEWEST_ROUNDS:]
    sizes = [moment[0][1] for moment in others]
    assert sorted(sizes) == sorted([*range(2, 8)] * FEW_PAIRS)
    assert sizes[:6] != sizes[6:12], "in changing order"
    assert {sum(size for name, size in moment if name == "native") for moment in rushes} == {ROUND}
    assert len({tuple(moment) for moment in rushes}) > 2, "in batches of changing sizes"


@pytest.mark.parametrize(
    ("seconds", "pairs", "rounds"), [(1e-9, FEWEST_PAIRS, FEWEST_ROUNDS), (60, MOST_PAIRS, MOST_PAIRS)]
)
async def test_timing_ends_with_its_time_or_with_enough_pairs(seconds: float, pairs: int, rounds: int) -> None:
    bench = GateSetup(rules=GateRules(seconds=seconds))
    found = await bench.judge(bench.backend("native"), bench.backend("frozen"))
    assert {found.ratios[load].pairs for load in ("1", "8")} == {pairs}
    assert found.ratios[IN_FLIGHT].pairs == rounds
    assert {found.ratios[str(size)].pairs for size in range(2, 8)} == {FEW_PAIRS}


async def test_a_copy_that_is_far_too_slow_is_timed_one_call_at_a_time_alone() -> None:
    bench = GateSetup()
    native, slow = bench.backend("native", seconds=0.1), bench.backend("frozen", seconds=0.3)
    found = await bench.judge(native, slow)
    assert (found.word, set(found.ratios)) == ("slower", {"1", "8"})


async def test_timed_batches_go_through_all_pictures() -> None:
    bench = GateSetup(pictures=3)
    native = bench.backend("native")
    await bench.judge(native, bench.backend("frozen", facts=replace(FACTS, batch_sizes=(1,))))
    timed = [[image.width for image in batch] for batch in native.batches[3 : 3 + FEWEST_PAIRS]]
    assert timed == [[100], [101], [102]] * (FEWEST_PAIRS // 3)


@pytest.mark.parametrize(("largest", "sizes"), [(1, []), (2, []), (4, [2, 3]), (8, [2, 3, 4, 5, 6, 7])])
def test_all_batch_sizes_between_are_tried(largest: int, sizes: list[int]) -> None:
    assert between(largest) == sizes


def test_of_many_batch_sizes_some_are_tried() -> None:
    assert (len(between(32)), between(32)[0]) == (6, 3)


async def test_a_copy_that_is_slower_at_one_batch_size_is_found() -> None:
    bench = GateSetup()
    copy = bench.backend("frozen", seconds=0.001, slower=lambda batch: 0.02 * (len(batch) == 3))
    found = await bench.judge(bench.backend("native", seconds=0.002), copy)
    assert found.word == "slower"
    assert found.reason.startswith("native ÷ frozen is 0.2")
    assert found.reason.endswith(" at batch 3; no batch size may be slower")


async def test_a_copy_that_is_slower_with_calls_in_flight_is_found() -> None:
    bench = GateSetup()
    copy = bench.backend("frozen", seconds=0.001)
    copy.slower = lambda batch: 0.02 * (copy.running > 1)
    found = await bench.judge(bench.backend("native", seconds=0.002), copy)
    assert found.word == "slower"
    assert found.ratios["1"].low > 1.5
    assert "with calls in flight; lower bounds above" in found.reason


async def test_what_is_in_flight_has_ended_when_one_of_it_fails() -> None:
    bench = GateSetup()
    copy, left = bench.backend("frozen"), list[int]()

    def fails(images: Sequence[Image]) -> None:
        if copy.running > 1 and not left:
            left.append(copy.running)
            raise BatchFailed("other", "a kernel failed")

    copy.fails = fails
    with pytest.raises(BatchFailed):
        await bench.judge(bench.backend("native"), copy)
    assert left[0] > 1
    assert copy.running == 0, "else it runs beside requests"


async def test_pictures_decoded_at_once_have_no_more_pixels_than_serving_allows() -> None:
    bench = GateSetup(most_pixels=3 * 120 * 50)
    found = await bench.judge(bench.backend("native"), bench.backend("frozen"))
    assert set(found.ratios) == {"1", "2", "3", IN_FLIGHT}
