"""The ASGI layer that bounds queries, and request bodies: by Content-Length before reading, by count while reading."""

from collections.abc import Awaitable, Container, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_response
from app.api.packed import LIMIT
from app.errors import BadParameter, BodyTooLarge, ServiceError

# Of a body that nobody reads any more: up to this much it costs less to read it to its end than to have the client
# connect again.
KEPT_BYTES = 256_000
_OPTIONS_BYTES = 64_000
# Every route has its query split, in one go.
MAX_QUERY_BYTES, _MAX_PARAMETERS = 16_384, 1_000
_MOST_DIGITS = 18  # of a length; Python reads no number of more than 4,300, and no body is as long as this


def content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """What Content-Length says; None without one. A number that no body can have is as good as any that large.

    The server's parser lets digits pass alone.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value) if len(value) <= _MOST_DIGITS else 10**_MOST_DIGITS
    return None


class BodyLimit:
    """Answers 413 to a body over its limit, and closes the connection; what is left of it is never read.

    A query over its limit is a bad parameter, whatever the route.

    Pictures are sent to `paths`, where the limit is `max_bytes`. Elsewhere a body is a few options, parsed in one go.
    Where no route is `reading` bodies, its size does not matter: what is wrong is the path, or the method.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, paths: Container[str], reading: Container[str]) -> None:
        self._app, self._paths, self._reading = app, paths, reading
        self._max_bytes, self._max_option_bytes = max_bytes, min(max_bytes, _OPTIONS_BYTES)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        limit = self._max_bytes if scope["path"] in self._paths else self._max_option_bytes
        if error := self._error_by_head(scope, limit):
            return error_response(scope["state"]["request_id"], error)(scope, receive, send)
        scope["state"][LIMIT] = limit
        read = 0

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _error(limit)
            return message

        return self._app(scope, receive_counted, send)

    def _error_by_head(self, scope: Scope, limit: int) -> ServiceError | None:
        query: bytes = scope["query_string"]
        if len(query) > MAX_QUERY_BYTES:
            return BadParameter(f"the query has more than {MAX_QUERY_BYTES:,} bytes")
        if query.count(b"&") >= _MAX_PARAMETERS:
            return BadParameter(f"the query has more than {_MAX_PARAMETERS:,} parameters")
        if (content_length(scope["headers"]) or 0) <= limit:
            return None
        if scope["path"] in self._reading:
            return _error(limit)
        # Nobody will read it, so it need not be unpacked either.
        scope["headers"] = [each for each in scope["headers"] if each[0] != b"content-encoding"]
        return None


def _error(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than the limit of {limit:,} bytes")
