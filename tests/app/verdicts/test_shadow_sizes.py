"""Pictures of several sizes that are run again: each size has its turn, both orders, all copies, and room."""

from pathlib import Path

import pytest

from app.images import Image
from app.verdicts.shadow import MOST_WAITING
from tests.support.app import jpegs
from tests.support.app.shadowing import Shadowed

pytestmark = pytest.mark.anyio


async def test_every_size_of_pictures_has_its_turn(bench: Shadowed) -> None:
    bench.offer(4)
    bench.shadow.offer(Image(jpegs.photo(), 4000, 3000), "large")
    bench.begin()
    await bench.ended(5)
    assert [number for name, number in bench.ran if name == "native"][:2] == [0, 3900]


async def test_each_size_has_both_orders(bench: Shadowed) -> None:
    for _ in range(4):
        bench.offer(1)
        bench.shadow.offer(Image(jpegs.photo(), 4000, 3000), "large")
    bench.begin()
    await bench.ended(8)
    first = bench.ran[::2]
    assert [number for _, number in first] == [0, 3900] * 4
    for size in (first[::2], first[1::2]):
        assert [name for name, _ in size] == ["native", "frozen"] * 2


async def test_every_copy_is_compared_at_every_size(saved_model: Path) -> None:
    bench = Shadowed(saved_model)
    await bench.load("native", "frozen", "trt")
    for _ in range(4):
        bench.offer(1)
        bench.shadow.offer(Image(jpegs.photo(), 4000, 3000), "large")
    bench.begin()
    await bench.ended(8)
    asked = [(name, number) for name, number in bench.ran if name != "native"]
    assert {each: asked.count(each) for each in asked} == {
        (name, number): 2 for name in ("frozen", "trt") for number in (0, 3900)
    }
    await bench.close()


async def test_many_pictures_of_one_size_leave_room_for_another(bench: Shadowed) -> None:
    bench.offer(2 * MOST_WAITING)
    bench.shadow.offer(Image(jpegs.photo(), 4000, 3000), "large")
    assert bench.dropped(reason="full") == MOST_WAITING
    bench.begin()
    await bench.ended(2 * MOST_WAITING + 1)
    assert 3900 in {number for _, number in bench.ran}
