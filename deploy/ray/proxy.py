"""A layer for Ray's HTTP proxies, which they load by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deploy.ray.proxy.layers.

When a replica dies, Ray's proxy gives no answer to what the replica was working on, and the HTTP server below it says
500. Clients try again after 503, and know nothing of replicas.
"""

import json

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_RETRY_AFTER_S = 1  # another replica answers at once
_SENTENCE = "the replica that worked on this request has ended; another one will answer it"


def layers() -> list[Middleware]:
    """What Ray puts around its proxy's own app."""
    return [Middleware(LostReplica)]


class LostReplica:
    """Where no answer has begun when the proxy is done, it is 503 with `Retry-After`, in the form of our errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        begun = False

        async def passing(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await self._app(scope, receive, passing)
        if scope["type"] == "http" and not begun:
            await _unavailable(scope)(scope, receive, send)


def _unavailable(scope: Scope) -> Response:
    request_id = Headers(scope=scope).get("x-request-id", "")
    body = json.dumps({"error": _SENTENCE, "code": "backend_unavailable", "request_id": request_id})
    return Response(body, 503, {"Retry-After": str(_RETRY_AFTER_S)}, "application/json")
