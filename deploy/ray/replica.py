"""This project's server as one of several replicas that Ray Serve starts, asks and ends. It knows nothing of Ray.

Serve's proxies reach the app through `Ingress`. Beside that each replica listens on a port of its own, with all routes:
there Prometheus finds the replica's own figures, and an admin the replica.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.api.access import ADMIN, covers
from app.api.errors import answer
from app.api.exchange import Identity
from app.backends.backend import Starter
from app.main import create_app
from app.server import DrainingServer
from app.settings import Settings
from app.verdicts.health import Health
from deploy.ray.cores import Cores, keep_to

BIND = "127.0.0.1:9400"  # where a replica listens by itself if DETECTOR_BIND says nothing
MOST_ON_A_MACHINE = 64  # replicas, and so ports that are tried
# What tells of one replica, or changes one: through a proxy nobody knows which one it is.
OF_ONE_REPLICA = (*ADMIN, "/", "/compare", "/metrics", "/page/")
_LOOKS_S = 0.05  # between two looks at whether it is ready


class NotReady(Exception):
    """Why no request should be sent to this replica, or why it can't start."""


class Ingress:
    """What Serve's proxies reach of a replica: all but `OF_ONE_REPLICA`, which are 404 with a sentence."""

    def __init__(self, api: FastAPI, prefix: str = "") -> None:
        self._api, self._prefix = api, prefix
        self.health: Health = api.state.health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app (https://asgi.readthedocs.io)."""
        if scope["type"] == "http" and covers(OF_ONE_REPLICA, self._path(scope)):
            sentence = "this is served at each replica's own port alone, since any of several replicas may answer here"
            refused = answer(Identity.of(scope).request_id, 404, "not_found", sentence)
            await refused(scope, receive, send)
        else:
            await self._api(scope, receive, send)

    def _path(self, scope: Scope) -> str:
        path: str = scope["path"]
        return path.removeprefix(self._prefix) if path.startswith(self._prefix + "/") else path


class OwnPort(DrainingServer):
    """The app at a port of its own, in the loop that is there. Serve begins and ends the app, and takes signals."""

    def __init__(self, api: FastAPI, settings: Settings) -> None:
        super().__init__(api, settings)
        self.config.lifespan = "off"

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take none."""
        yield


def build(settings: Settings, mine: Cores = (), *, start_backend: Starter | None = None) -> Ingress:
    """The app of a replica that keeps to the cores `mine`, if it has any; NoModel if there is no model.

    Its lifespan begins by listening and ends its start when it is ready: Serve sends requests from then on. NotReady
    with a sentence if native can't serve.
    """
    failures: list[str] = []
    keep_to(mine)  # before the app counts them
    api = create_app(settings, start_backend=start_backend, fail=failures.append)
    begun = api.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        keep_to(mine)  # workers are started by the thread that runs this one
        async with begun(app) as state, _own_port(app, settings):
            await _ready(app.state.health, failures)
            yield state
            app.state.health.draining = True

    api.router.lifespan_context = lifespan
    return Ingress(api, settings.root_path)


async def _ready(health: Health, failures: list[str]) -> None:
    """Return when requests may come; NotReady with a sentence if native can't serve."""
    while health.unready():
        if failures:
            raise NotReady(failures[0])
        await asyncio.sleep(_LOOKS_S)


@asynccontextmanager
async def _own_port(api: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Listen while the block runs; then answer what has been asked, and end."""
    server = OwnPort(api, settings)
    serving = asyncio.create_task(server.serve([listen(settings.host, settings.port)]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def listen(host: str, port: int) -> socket.socket:
    """A socket at the first free port from `port` on; 0: any. OSError if the machine has as many replicas as it may."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for each in range(port, port + MOST_ON_A_MACHINE) if port else (0,):
        try:
            return socket.create_server((host, each), family=family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"no port from {port} to {port + MOST_ON_A_MACHINE - 1} is free")
