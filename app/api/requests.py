"""The outermost ASGI layer: an id for each request, its duration observed once, and the headers all answers have."""

import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import answer
from app.metrics import NO_BACKEND, Metrics

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Requests:
    """Gives `request.state.request_id`; observes under the route's template, never under the raw path."""

    def __init__(self, app: ASGIApp, metrics: Metrics, plain_paths: frozenset[str]) -> None:
        self._app, self._metrics, self._plain_paths = app, metrics, plain_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(scope)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        # The edge of the program: the caller gets a sentence, the log gets the rest.
        except Exception as error:
            log.error("request failed request_id=%s", request_id, exc_info=error)
            if status:
                raise  # the answer has begun: only closing the connection is left
            failed = answer(request_id, 500, "internal", "the server failed on this request; its log says more")
            await failed(scope, receive, send_with_headers)
        finally:
            labels = (self._template(scope), state.get("backend", NO_BACKEND), str(status))
            self._metrics.request_duration.labels(*labels).observe(time.perf_counter() - started)

    def _template(self, scope: Scope) -> str:
        """The route's template; a layer below the router may have answered, so plain paths count as their own."""
        if route := scope.get("route"):
            return str(route.path)
        return scope["path"] if scope["path"] in self._plain_paths else "unmatched"


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-Id if it is a short plain word, else a new one: it goes into logs and answers."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return uuid.uuid4().hex
