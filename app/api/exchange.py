"""One HTTP request and its answer, as far as they have come."""

import random
import re
import time
from collections.abc import Iterable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from app.api import trace
from app.api.trace import Trace

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class Exchange:
    """Stands between a request's layers and the server: counts bytes, and puts the headers on that all answers have."""

    __slots__ = (
        "_headers",
        "_receive",
        "_send",
        "bytes_in",
        "bytes_out",
        "request_id",
        "scope",
        "started",
        "status",
        "trace",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.scope, self._receive, self._send = scope, receive, send
        self.status = self.bytes_in = self.bytes_out = 0  # status: 0 until the answer has begun
        given, self.trace = _identified(scope["headers"])
        self.request_id = given or f"{random.getrandbits(128):032x}"  # unique is enough, it opens nothing
        self._headers = [(b"x-request-id", self.request_id.encode()), _NO_SNIFFING]
        if self.trace is not None:
            self._headers.append((b"traceparent", self.trace.header))

    @property
    def state(self) -> dict[str, Any]:
        """What the layers and handlers know of the request: Starlette's `request.state`."""
        state: dict[str, Any] = self.scope.setdefault("state", {})
        return state

    async def receive(self) -> Message:
        """The server's `receive`; counts the bytes of the body."""
        message = await self._receive()
        self.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """The server's `send`; counts the bytes of the body."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        elif body := message.get("body"):
            self.bytes_out += len(body)
        await self._send(message)


def _identified(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, Trace | None]:
    """The caller's X-Request-Id if it is a short plain word, as it goes into logs and answers; the caller's trace."""
    request_id, parents = None, []
    for name, value in headers:
        if name == b"x-request-id":
            if request_id is None and _ID.fullmatch(value):
                request_id = value.decode()
        elif name == b"traceparent":
            parents.append(value)
    return request_id, trace.read(parents[0]) if len(parents) == 1 else None
