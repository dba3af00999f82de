"""Work for a client: it ends with the client, and is cancelled by anybody else as ever."""

import asyncio

import pytest

from app.api.departures import ClientGone, Departure

pytestmark = pytest.mark.anyio


async def test_work_ends_when_the_client_leaves_and_never_begins_if_it_has_left() -> None:
    departure = Departure()
    asyncio.get_running_loop().call_soon(departure.happen)
    with pytest.raises(ClientGone):
        await departure.ends(asyncio.Event().wait())
    with pytest.raises(ClientGone):
        await departure.ends(asyncio.sleep(0))
    assert await Departure().ends(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize("leaves", [False, True])
async def test_who_cancels_the_task_ends_it(leaves: bool) -> None:
    departure = Departure()
    task = asyncio.create_task(departure.ends(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    if leaves:
        departure.happen()
    await asyncio.wait([task])
    assert task.cancelled()
