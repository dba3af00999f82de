"""Clients who leave: their work is cancelled, so that what still waits in a queue is never run."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

T = TypeVar("T")

DEPARTURE = "departure"  # in `scope["state"]`, where the server itself tells of its client's departure


class ClientGone(Exception):
    """The caller closed the connection; nobody reads an answer."""


class Departure:
    """Whether the client has left, and whose work ends with that."""

    __slots__ = ("_working", "gone")

    def __init__(self) -> None:
        self.gone = False
        self._working: asyncio.Task[Any] | None = None

    def happen(self) -> None:
        """The client has left."""
        self.gone = True
        if self._working is not None:
            self._working.cancel()

    async def ends(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, unless the client leaves or has left: then ClientGone."""
        task = self._working = asyncio.current_task()
        try:
            if self.gone:
                work.close()
                raise ClientGone
            return await work
        except asyncio.CancelledError:
            # Whoever else has cancelled the task wants it to end.
            if self.gone and task is not None and not task.uncancel():
                raise ClientGone from None
            raise
        finally:
            self._working = None


def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """The result of `work`, which is cancelled when the client leaves (then ClientGone). The body must have been read.

    Our own server tells of it at once. Others do in `receive` alone (ASGI, `http.disconnect`), which a task waits for;
    a handler that does not ask runs on for nobody.
    """
    if departure := request.scope["state"].get(DEPARTURE):
        told: Departure = departure
        return told.ends(work)
    return _listening(request, work)


async def _listening(request: Request, work: Coroutine[Any, Any, T]) -> T:
    departure = Departure()
    listening = asyncio.create_task(_listen(request, departure))
    try:
        return await departure.ends(work)
    finally:
        listening.cancel()


async def _listen(request: Request, departure: Departure) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    departure.happen()
