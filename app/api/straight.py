"""The ASGI layer that calls handlers straight: those that take the request alone and give the response.

FastAPI's routing, its dependencies and its exit stacks cost as much as the rest of a request, and such a handler uses
none of them. FastAPI knows the routes all the same, documents them, and says what else their paths are not asked for.
"""

from collections.abc import Iterable, Iterator, Mapping

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import handled
from app.api.exchange import ANSWER


class StraightRoute(APIRoute):
    """A route whose handler is `async def handler(request: Request) -> Response`; see `APIRouter(route_class=…)`."""


class Ready(Response):
    """An answer in JSON with a few headers of its own: what Starlette does for any response, as far as it is needed."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.background = 200, body, None
        self.raw_headers = [
            *[(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, in one message where the server takes that."""
        if ANSWER in scope.get("extensions", ()):
            await send({"type": ANSWER, "status": 200, "headers": self.raw_headers, "body": self.body})
        else:
            await super().__call__(scope, receive, send)


def _pairs(routes: Iterable[APIRoute]) -> Iterator[tuple[str, APIRoute]]:
    for route in routes:
        if isinstance(route, StraightRoute):
            yield from ((method, route) for method in route.methods or ())


class Straight:
    """Answers what is asked of a `StraightRoute` among `routes`; all else is left to FastAPI."""

    def __init__(self, app: ASGIApp, routes: Iterable[APIRoute]) -> None:
        self._app = app
        pairs = list(_pairs(routes))
        self._routes = {(method, route.path): route for method, route in pairs}
        self._patterns = [(method, route.path_regex, route) for method, route in pairs if "{" in route.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        route = self._route(scope) if scope["type"] == "http" else None
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

    def _route(self, scope: Scope) -> APIRoute | None:
        """The route, whose names in the path go into the scope."""
        method, path = scope["method"], scope["path"]
        if (route := self._routes.get((method, path))) and "{" not in path:
            return route
        for its_method, pattern, route in self._patterns:
            if its_method == method and (match := pattern.match(path)):
                scope["path_params"] = match.groupdict()
                return route
        return None
