"""One HTTP request and its answer, as far as they have come."""

import random
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from app.api import trace
from app.api.trace import Trace

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# In `scope["state"]`: the status, and the bytes of the body, of an answer that the server gave in the app's place.
REFUSED = "refused"
# In the same place: bytes of the body that had come when the client left, and that the app has not been given.
UNREAD = "unread"
# An ASGI extension: the type of a message that is a whole answer, with its status, headers and body.
ANSWER = "detector.answer"
BEGINNINGS = ("http.response.start", ANSWER)  # the types of messages that have status and headers
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class Identity(NamedTuple):
    """What a request is called, in its answer and in the logs."""

    request_id: str
    trace: Trace | None
    headers: tuple[tuple[bytes, bytes], ...]  # that every answer to it has

    @classmethod
    def of(cls, scope: Scope) -> "Identity":
        """The same each time for a request, whoever asks first: a layer, or the server that refuses its body."""
        state = scope.setdefault("state", {})
        if "identity" not in state:
            state["identity"] = cls._new(scope["headers"])
        found: Identity = state["identity"]
        return found

    @classmethod
    def _new(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Identity":
        given, trace = _identified(headers)
        request_id = given or f"{random.getrandbits(128):032x}"  # unique is enough, it opens nothing
        ours = ((b"x-request-id", request_id.encode()), _NO_SNIFFING)
        return cls(request_id, trace, (*ours, (b"traceparent", trace.header)) if trace else ours)


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
        "state",
        "status",
        "trace",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started = time.perf_counter()
        self.scope, self._receive, self._send = scope, receive, send
        self.status = self.bytes_in = self.bytes_out = 0  # status: 0 until the answer has begun
        identity = Identity.of(scope)
        self.request_id, self.trace, self._headers = identity.request_id, identity.trace, identity.headers
        # What the layers and handlers know of the request: Starlette's `request.state`.
        self.state: dict[str, Any] = scope["state"]

    def ended(self) -> None:
        """Take in what the server itself has answered, if it refused the body: the app saw a client who left."""
        self.status, self.bytes_out = self.state.get(REFUSED, (self.status, self.bytes_out))
        self.bytes_in += self.state.get(UNREAD, 0)

    async def receive(self) -> Message:
        """The server's `receive`; counts the bytes of the body."""
        message = await self._receive()
        self.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """The server's `send`; counts the bytes of the body."""
        if message["type"] in BEGINNINGS:
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        if body := message.get("body"):
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
