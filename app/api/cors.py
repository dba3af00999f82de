"""The ASGI layer for pages of other origins that may ask from a browser (CORS, https://fetch.spec.whatwg.org)."""

import re
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import ADMIN, covers
from app.api.exchange import BEGINNINGS
from app.api.hosts import Allowed

_METHODS = b"GET, HEAD, POST"
_PRIVATE = b"access-control-request-private-network"  # of a page on the internet that asks a server in a local network
_NAMES = re.compile(rb"[A-Za-z0-9, -]{1,1000}")  # of headers
_EXPOSED = b"access-control-expose-headers"
_SHOWN = b"X-Request-Id, X-Backend, Server-Timing, Retry-After, Inference-Header-Content-Length"
_KEPT_S = b"7200"  # the longest that browsers keep an answer to OPTIONS


class Cors:
    """Tells browsers that pages of `allowed.origins` may ask and read; never for an admin's routes.

    The request that a browser sends first (OPTIONS) has no token, and is answered here.
    """

    def __init__(self, app: ASGIApp, allowed: Allowed) -> None:
        self._app, self._allowed = app, allowed

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http" or covers(ADMIN, scope["path"]):
            return self._app(scope, receive, send)
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"")
        welcome = bool(origin) and self._allowed.is_welcome(origin.decode("latin-1"))
        if welcome and _is_preflight(scope["method"], headers):
            return _answer(send, _preflight(origin, headers))
        return self._app(scope, receive, _telling(send, origin if welcome else None))


async def _answer(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _telling(send: Send, origin: bytes | None) -> Send:
    """Says in each answer that it depends on the origin, and to the one that is welcome that it may be read."""
    allow = [] if origin is None else [(b"access-control-allow-origin", origin), (_EXPOSED, _SHOWN)]

    async def told(message: Message) -> None:
        if message["type"] in BEGINNINGS:
            message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin"), *allow]
        await send(message)

    return told


def _is_preflight(method: str, headers: dict[bytes, bytes]) -> bool:
    return method == "OPTIONS" and b"access-control-request-method" in headers


def _preflight(origin: bytes, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    asked = headers.get(b"access-control-request-headers", b"")
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", _METHODS),
        *([(b"access-control-allow-headers", asked)] if _NAMES.fullmatch(asked) else []),
        *([(b"access-control-allow-private-network", b"true")] if headers.get(_PRIVATE) == b"true" else []),
        (b"access-control-max-age", _KEPT_S),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
