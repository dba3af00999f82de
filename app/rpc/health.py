"""gRPC's health service: what /readyz tells, asked once or watched, whatever the service that is asked about."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from app.api.serving import Serving
from app.rpc.inference import Metadata

_WATCHED_S = 1.0  # between two looks at what a client watches
WATCHING = 64  # clients at once: each keeps its call open for as long as it likes


class Health:
    """Both methods of the service."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._watching = 0
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Whoever watches is let go: a call that stays open would hold the server's end up."""
        self._ended.set()

    async def check(self, _: Any, __: Metadata) -> Any:
        """Whether a backend is warm."""
        return self._told()

    async def watch(self, _: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        """The same at once and whenever it changes, until the client leaves or the server ends."""
        if self._watching >= WATCHING:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHING} clients watch already")
        self._watching += 1
        try:
            last = None
            while not self._ended.is_set():
                now = self._told()
                if now != last:
                    yield now
                last = now
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WATCHED_S):
                        await self._ended.wait()
        finally:
            self._watching -= 1

    def _told(self) -> Any:
        is_warm = self._serving.unready() is None
        return HealthCheckResponse(status=HealthCheckResponse.SERVING if is_warm else HealthCheckResponse.NOT_SERVING)
