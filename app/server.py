"""uvicorn's server with a drain: after SIGTERM not ready at once, still accepting for a while, then the end."""

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

import app
from app.connections.connections import Connections
from app.connections.limits import Limits, backlog_by, connections_by, open_files
from app.connections.protocol import BoundedProtocol
from app.settings import Settings
from app.supervisor import READY, STOPPING, Supervisor

log = logging.getLogger(__name__)

# A body may be this much larger than it may be, and its client still gets to read the 413.
_BEYOND_A_BODY_BYTES = 12_000_000


class DrainingServer(uvicorn.Server):
    """Runs `api`. A load balancer that probes `/readyz` has `drain_seconds` to send its requests elsewhere.

    After that uvicorn finishes what it has and the process ends by the signal (exit code 143 for SIGTERM).
    `supervisor` is told when it listens and when it stops.
    """

    def __init__(self, api: FastAPI, settings: Settings, supervisor: Supervisor | None = None) -> None:
        limits = _limits(settings)
        super().__init__(
            uvicorn.Config(
                api,
                host=settings.host,
                port=settings.port,
                backlog=backlog_by(open_files(), connections=limits.connections),
                http=partial(BoundedProtocol, Connections(limits, api.state.metrics)),  # type: ignore[arg-type]  # uvicorn only calls it
                ws="none",
                timeout_keep_alive=math.ceil(settings.keep_alive_seconds),
                log_config=None,
                access_log=False,
                proxy_headers=False,  # nothing here asks who the client is
                server_header=False,
                timeout_graceful_shutdown=None,  # every admitted request is answered
            )
        )
        self._settings, self._supervisor = settings, supervisor or Supervisor()
        self._health = api.state.health
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # uvicorn says socket.socket
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)  # type: ignore[arg-type]  # likewise

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so when it is true; uvicorn ends the process, with a line, if the port is taken."""
        await super().startup(sockets)
        log.info("listening bind=%s model=%s version=%s", self._bound(), self._settings.model, app.__version__)
        self._supervisor.tell(READY)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains first; a second one, or SIGINT, ends at once."""
        if sig != signal.SIGTERM or self._health.draining or self._loop is None:
            self._end(sig, frame)
            return
        self._health.draining = True
        self._loop.call_soon_threadsafe(self._drain, partial(self._end, sig, frame))

    def _end(self, sig: int, frame: FrameType | None) -> None:
        """Accept no more, finish what has begun, but nothing that takes minutes."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._health.ending.set)
        super().handle_exit(sig, frame)

    def _drain(self, end: Callable[[], None]) -> None:
        """A server that has never been ready is sent nothing, so it ends at once."""
        seconds = self._settings.drain_seconds if self._health.started else 0.0
        log.info("draining seconds=%.1f", seconds)
        self._supervisor.tell(STOPPING)
        asyncio.get_running_loop().call_later(seconds, end)

    def _bound(self) -> str:
        """The addresses, with the port that the system has chosen if none was set."""
        names = [each.getsockname() for server in self.servers for each in server.sockets]
        return ",".join(f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}" for name in names)


def _limits(settings: Settings) -> Limits:
    return Limits(
        connections=settings.connections or connections_by(open_files()),
        body_bytes=max(settings.bodies_bytes, settings.max_body_bytes),
        seconds=settings.request_seconds,
        keep_alive_s=settings.keep_alive_seconds,
        linger_bytes=settings.max_body_bytes + _BEYOND_A_BODY_BYTES,
    )
