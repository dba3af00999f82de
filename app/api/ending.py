"""Work of an admin's request that may take minutes: the end of the server does not wait for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from app.errors import BackendUnavailable


async def unless_ending(ending: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work; BackendUnavailable if `ending` is set first: then the work is cancelled, and has ended."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(ending.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise BackendUnavailable("the server is stopping, and has given up what was asked for")
        working.result()
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
