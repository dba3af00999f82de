"""The ASGI layer for HEAD: answered wherever GET is, by GET's handler, without its body (RFC 9110, 9.3.2)."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Asks what is inside for GET, and passes its status and headers on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            return self._get(scope, receive, send)
        return self._app(scope, receive, send)

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, _without_body(send))
        finally:
            if "route" in inner:  # under which the request is counted
                scope["route"] = inner["route"]


def _without_body(send: Send) -> Send:
    async def head(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return head
