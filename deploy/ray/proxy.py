"""A layer for Ray's HTTP proxies, which they load by RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deploy.ray.proxy.layers.

When a replica dies, Ray answers 500 to what it was working on, and tells in plain text how it died. Clients try again
after 503, and know nothing of replicas.
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
    """A 500 of Ray's own becomes 503 with `Retry-After`, in the form of the server's errors.

    The server's own 500 is JSON, and passes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lost = False

        async def passing(message: Message) -> None:
            nonlocal lost
            if message["type"] == "http.response.start" and _of_ray(message):
                lost = True
                await _unavailable(scope)(scope, receive, send)
            elif not lost:
                await send(message)

        await self._app(scope, receive, passing)


def _of_ray(start: Message) -> bool:
    kind = Headers(raw=start.get("headers", [])).get("content-type", "")
    return bool(start["status"] == 500) and not kind.startswith("application/json")


def _unavailable(scope: Scope) -> Response:
    request_id = Headers(scope=scope).get("x-request-id", "")
    body = json.dumps({"error": _SENTENCE, "code": "backend_unavailable", "request_id": request_id})
    return Response(body, 503, {"Retry-After": str(_RETRY_AFTER_S)}, "application/json")
