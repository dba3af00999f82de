"""FastAPI with our layers alone: they do what its own outer ones are for, and each costs every request its share.

A layer that only looks at a request, before it is handed on, is a plain function that returns what the next one does:
a coroutine of its own would be resumed for every answer that is waited for.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Layered(FastAPI):
    """Left out are those for unforeseen errors, for telemetry and for a limit on bodies.

    `app/api/requests.py` answers such errors, `app/api/trace.py` and the metrics are our telemetry, and
    `app/api/limits.py` is the limit.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(telemetry={"tracing": False, "metrics": False, "logs": False}, **given)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request goes to the layers at once: what FastAPI does before is for telemetry and the lifespan."""
        if scope["type"] == "http" and self.middleware_stack is not None:
            scope["app"] = self
            await self.middleware_stack(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that were added, around FastAPI's own innermost ones."""
        app: ASGIApp = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        for layer in reversed(self.user_middleware):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app
