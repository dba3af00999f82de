"""The ASGI layer for HEAD: answered wherever GET is, by GET's handler, without its body (RFC 9110, 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Asks what is inside for GET, and passes its status and headers on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        method = scope["method"] if scope["type"] == "http" else "GET"
        if method != "HEAD":
            await self._app(scope, receive, send if method == "GET" else _allowing_head(send))
            return
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, _without_body(send))
        finally:
            if "route" in inner:  # under which the request is counted
                scope["route"] = inner["route"]


def _without_body(send: Send) -> Send:
    async def head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return head


def _allowing_head(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            message["headers"] = [_with_head(name, value) for name, value in message.get("headers", ())]
        await send(message)

    return told


def _with_head(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    has_get = name == b"allow" and b"GET" in value and b"HEAD" not in value
    return (name, value.replace(b"GET", b"GET, HEAD")) if has_get else (name, value)
