"""gRPC's health service: what /readyz tells, asked once or watched."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from app.api.serving import Serving
from app.errors import BadRequest, NotFound
from app.rpc.calls import INFERENCE, parsed
from app.rpc.inference import Metadata

_SERVICES = ("", INFERENCE)  # that may be asked about; the empty name is the server
_WATCHED_S = 1.0  # between two looks at what a client watches
WATCHING = 64  # clients at once: each keeps its call open for as long as it likes


class Health:
    """Both methods of the service."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._watching = 0

    async def check(self, asked: Any, _: Metadata) -> Any:
        """Whether a backend is warm; NotFound for a service that is not here."""
        if asked.service not in _SERVICES:
            raise NotFound(f"there is no service {asked.service[:100]!r}; there is {INFERENCE!r}")
        return self._told(asked.service)

    async def watch(self, message: bytes, context: Any) -> AsyncIterator[Any]:
        """The same at once and whenever it changes, until the client leaves."""
        try:
            asked = parsed(message, health_pb2.HealthCheckRequest)
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if self._watching >= WATCHING:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHING} clients watch already")
        self._watching += 1
        try:
            last = None
            while True:
                now = self._told(asked.service)
                if now != last:
                    yield now
                last = now
                await asyncio.sleep(_WATCHED_S)
        finally:
            self._watching -= 1

    def _told(self, service: str) -> Any:
        kinds = health_pb2.HealthCheckResponse
        if service not in _SERVICES:
            return kinds(status=kinds.SERVICE_UNKNOWN)
        return kinds(status=kinds.SERVING if self._serving.unready() is None else kinds.NOT_SERVING)
