"""FastAPI with our layers alone: they do what its own outer ones are for, and each costs every request its share."""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp


class Layered(FastAPI):
    """Left out are those for unforeseen errors, for telemetry and for a limit on bodies.

    `app/api/requests.py` answers such errors, `app/api/trace.py` and the metrics are our telemetry, and
    `app/api/limits.py` is the limit.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(telemetry={"tracing": False, "metrics": False, "logs": False}, **given)

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that were added, around FastAPI's own innermost ones."""
        app: ASGIApp = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        for layer in reversed(self.user_middleware):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app
