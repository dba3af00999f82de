"""The ASGI layer that refuses what would find a full queue, by its headers: before its body is read or parsed.

A request of which the headers can't tell which queue it goes to may still be refused further in. All refusals leave
at one pace.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import STATUS, error_response
from app.api.limits import KEPT_BYTES, MAX_QUERY_BYTES, content_length
from app.api.pace import Pace
from app.choices import AUTO
from app.detection.detector import Detector
from app.errors import Overloaded
from app.verdicts.routing import Routing

# Bodies that name a backend themselves; any other is a picture, whose backend the query names.
_NAMING = (b"multipart/form-data", b"application/json")
_JSON_BYTES = b"inference-header-content-length"  # of the JSON before tensors (Open Inference Protocol), of any type
_MOST_PARAMETERS = 100
_REFUSED = STATUS[Overloaded]


class Admission:
    """Answers 429 to a POST to one of `paths` if its backend's queue is full, with the error that the queue gives."""

    def __init__(self, app: ASGIApp, routing: Routing, detector: Detector, paths: Container[str]) -> None:
        self._app, self._routing, self._detector, self._paths = app, routing, detector, paths
        self._pace = Pace()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths:
            backend = _backend(scope)
            lane = self._routing.full(backend)
            if lane and (overload := lane.batcher.overload()):
                if backend not in (None, AUTO):
                    scope["state"]["backend"] = backend
                self._detector.failed(lane.slot.name, [overload])
                return self._refuse(_response(scope, overload), lane.batcher.rate, scope, receive, send)

            def paced(message: Message) -> Awaitable[None]:
                if message.get("status") == _REFUSED:
                    return self._refuse(send, self._routing.rate(backend), message)
                return send(message)

            return self._app(scope, receive, paced)
        return self._app(scope, receive, send)

    async def _refuse(self, send: Callable[..., Awaitable[None]], rate: float, *what: Any) -> None:
        """Send what refuses, held back where refusals come too fast at this rate of answers."""
        seconds = self._pace.begin(rate)
        try:
            if seconds > 0:
                await asyncio.sleep(seconds)
        finally:
            self._pace.end()
        await send(*what)


def _response(scope: Scope, overload: Overloaded) -> Response:
    response = error_response(scope["state"]["request_id"], overload)
    headers = scope["headers"]
    waits = _header(headers, b"expect")  # for our leave to send a body that nobody wants now
    if waits or _header(headers, b"transfer-encoding") or (content_length(headers) or 0) > KEPT_BYTES:
        response.headers["Connection"] = "close"
    return response


def _backend(scope: Scope) -> str | None:
    """The backend that the headers name; None if the body may name it. The query and the body never differ."""
    query: bytes = scope["query_string"][:MAX_QUERY_BYTES]  # a longer one is refused further in
    if b"backend" in query or b"%" in query:
        named = _named(query)
        if named is None or named:
            return named
    kind = _header(scope["headers"], b"content-type").lower()
    return None if kind.startswith(_NAMING) or _header(scope["headers"], _JSON_BYTES) else AUTO


@lru_cache(maxsize=64)  # clients that ask often ask alike
def _named(query: bytes) -> str | None:
    """The backend in the query, or an empty string; None if the query has too much to be one that is answered."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return None
    return dict(pairs).get("backend", "")


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for each, value in headers if each == name), b"")
