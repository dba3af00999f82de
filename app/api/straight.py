"""The ASGI layer that calls handlers straight: those that take the request alone and give the response.

FastAPI's routing, its dependencies and its exit stacks cost as much as the rest of a request, and such a handler uses
none of them. FastAPI knows the routes all the same, documents them, and says what else their paths are not asked for.
"""

from collections.abc import Iterable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import handled


class StraightRoute(APIRoute):
    """A route whose handler is `async def handler(request: Request) -> Response`; see `APIRouter(route_class=…)`."""


class Straight:
    """Answers what is asked of a `StraightRoute` among `routes`; all else is left to FastAPI."""

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute]) -> None:
        self._app = app
        straight = [route for route in routes if isinstance(route, StraightRoute)]
        self._routes = {(method, route.path): route for route in straight for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        # As FastAPI does it: what is in the table becomes an answer.
        except Exception as error:
            response = await handled(request, error)
        await response(scope, receive, send)
