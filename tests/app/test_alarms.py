import asyncio

import pytest

from app.alarms import Alarms
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


async def test_what_is_due_is_done_in_its_order_and_what_was_stopped_is_not() -> None:
    alarms, loop, done = Alarms(), asyncio.get_running_loop(), list[str]()
    alarms.start(loop, 0.02, lambda: done.append("later"))
    alarms.stop(alarms.start(loop, 0.001, lambda: done.append("stopped")))
    first = alarms.start(loop, 0.01, lambda: done.append("first"))
    await until(lambda: len(done) == 2)
    assert done == ["first", "later"]
    alarms.stop(first)
    alarms.start(loop, 0, lambda: done.append("again"))
    await until(lambda: done[-1] == "again")


async def test_one_timer_waits_for_the_next_of_many() -> None:
    alarms, loop, timers = Alarms(), asyncio.get_running_loop(), set[asyncio.TimerHandle | None]()
    for _ in range(100):
        alarms.stop(alarms.start(loop, 30, lambda: None))
        timers.add(alarms._timer)
    assert len(timers) == 1
    alarms.start(loop, 10, lambda: None)
    assert timers.pop() is not alarms._timer


async def test_what_is_due_can_stop_what_is_due_with_it() -> None:
    alarms, loop, done = Alarms(), asyncio.get_running_loop(), list[str]()

    def first() -> None:
        done.append("first")
        alarms.stop(second)

    alarms.start(loop, 0, first)
    second = alarms.start(loop, 0, lambda: done.append("stopped"))
    alarms.start(loop, 0, lambda: done.append("third"))
    await until(lambda: done[-1:] == ["third"])
    assert done == ["first", "third"]
