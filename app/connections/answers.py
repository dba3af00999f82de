"""Answers that the server gives in the app's place: the bytes of an error as the app would have written it."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api.errors import error_response
from app.api.exchange import REFUSED, Identity
from app.connections.limits import Limits
from app.errors import HeadersTooLarge, RequestTooSlow, ServiceError


def written(error: ServiceError, scope: dict[str, Any], default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """The whole response, after which the connection is closed; `scope` as far as the request has come.

    It tells an app that has begun with the request what its client got.
    """
    identity = Identity.of(scope)
    response = error_response(identity.request_id, error)
    response.headers["Connection"] = "close"
    body = bytes(response.body)
    scope["state"][REFUSED] = response.status_code, len(body)
    headers = [*default_headers, *response.raw_headers, *identity.headers]
    return b"".join([STATUS_LINE[response.status_code], *(b"%b: %b\r\n" % pair for pair in headers), b"\r\n", body])


def head_too_slow(limits: Limits) -> RequestTooSlow:
    """For a head that did not come in time."""
    return RequestTooSlow(f"the request's headers did not arrive within {limits.seconds:g} s")


def body_too_slow(limits: Limits) -> RequestTooSlow:
    """For a body that did not keep up."""
    return RequestTooSlow(f"the request's body fell {limits.seconds:g} s behind {limits.body_rate:,.0f} bytes/s")


def head_too_large(limits: Limits) -> HeadersTooLarge:
    """For a head, or trailers, of too many bytes or lines."""
    most = f"{limits.head_bytes:,} bytes and {limits.head_lines} lines"
    return HeadersTooLarge(f"the headers are too large: the limits are {most}")
