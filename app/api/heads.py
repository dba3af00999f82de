"""The ASGI layer for HEAD: answered wherever GET is, by GET's handler, without its body (RFC 9110, 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Asks what is inside for GET, and passes its status and headers on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, _allowing_head(send) if scope["type"] == "http" else send)
            return
        if scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(inner, receive, send_head)
        finally:
            if "route" in inner:  # under which the request is counted
                scope["route"] = inner["route"]


def _allowing_head(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 405:
            message["headers"] = [_with_head(name, value) for name, value in message.get("headers", ())]
        await send(message)

    return told


def _with_head(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    has_get = name == b"allow" and b"GET" in value and b"HEAD" not in value
    return (name, value.replace(b"GET", b"GET, HEAD")) if has_get else (name, value)
