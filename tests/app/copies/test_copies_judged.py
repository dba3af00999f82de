"""A copy is judged after it was loaded and before it takes its place; an empty slot says so meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.backends.backend import Backend, WorkerDied
from app.images import Image
from tests.support.app.copying import PLAIN, Copying
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

COMPARED = ("loading", "it is loaded, and is being compared with native")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Copying]:
    made = Copying(tmp_path, PLAIN, wanted=("frozen",), convert=False)
    made.put("frozen")
    yield made
    await made.close()


def loading_again(bench: Copying) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(bench.copies.load(bench.folders.default_options("frozen")))


async def test_an_empty_slot_says_what_is_going_on(bench: Copying) -> None:
    bench.judge.may_decide.clear()
    loading = asyncio.create_task(bench.prepare())
    await until(lambda: len(bench.judge.asked) == 1)
    assert bench.told("frozen") == COMPARED
    assert not bench.slots["frozen"].ready
    bench.judge.may_decide.set()
    await loading
    assert bench.told("frozen")[0] == "ready"


async def test_what_serves_serves_on_while_the_new_one_is_judged(bench: Copying, street: Image) -> None:
    await bench.prepare()
    before = bench.told("frozen")
    bench.judge.may_decide.clear()
    swap = loading_again(bench)
    await until(lambda: len(bench.judge.asked) == 2)
    assert bench.told("frozen") == before
    await bench.slots["frozen"].run([street])
    assert [len(backend.batches) for backend in bench.starter.started] == [1, 0]
    bench.judge.may_decide.set()
    assert await swap == {"verdict": None, "rolled_back": None, "slower_live": {}}
    assert [backend.closed for backend in bench.starter.started] == [True, False]


async def test_one_that_crashes_over_it_is_not_loaded(bench: Copying) -> None:
    await bench.prepare()

    async def crashes(fresh: Backend) -> None:
        raise WorkerDied("its process ended by SIGKILL")

    bench.judge.decide = crashes
    with pytest.raises(WorkerDied):
        await loading_again(bench)
    assert [backend.closed for backend in bench.starter.started] == [False, True]
    assert bench.told("frozen")[0] == "ready"
