"""The ASGI layer for proxies that serve this server below a path of theirs: it takes that path off again."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send


class Prefix:
    """Has every layer and route see the path as it is without `prefix`; proxies that take it off need nothing.

    All layers must see the same path: what one takes for public another must not take for an admin's.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefix + "/"):
            scope["path"] = scope["path"].removeprefix(self._prefix)
            scope.pop("raw_path", None)
        return self._app(scope, receive, send)
