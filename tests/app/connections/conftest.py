"""A server with our protocol, and limits of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from app.api.journal import Journal
from app.api.requests import Requests
from app.connections.connections import Connections
from app.connections.protocol import BoundedProtocol
from app.metrics import Metrics
from tests.support.app.connecting import USUAL, Serve, Served, tiny


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def serve(**limits: Any) -> Served:
            metrics = Metrics()
            connections = Connections(replace(USUAL, **limits), metrics)
            app = Requests(tiny, metrics, Journal([]), frozenset())
            config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_keep_alive=60)
            config.load()
            state = ServerState()

            def protocol() -> BoundedProtocol:
                return BoundedProtocol(connections, config=config, server_state=state, app_state={})

            server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
            served = Served(stack, server.sockets[0].getsockname()[1], connections, metrics)

            async def end() -> None:
                server.close()
                for connection in connections.all():
                    connection.abort()
                await served.open(0)
                for task in state.tasks:
                    task.cancel()

            stack.push_async_callback(end)
            return served

        yield serve
