"""Answers to requests that never reach the app: the bytes of an error as the app would have written it."""

import uuid

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api.errors import error_response
from app.errors import ServiceError


def written(error: ServiceError, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """The whole response, after which the connection is closed."""
    request_id = uuid.uuid4().hex
    response = error_response(request_id, error)
    response.headers["Connection"] = "close"
    response.headers["X-Request-Id"] = request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    lines = [b"%b: %b\r\n" % pair for pair in [*default_headers, *response.raw_headers]]
    return b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", bytes(response.body)])
