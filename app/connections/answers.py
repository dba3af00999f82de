"""Answers that the server gives in the app's place: the bytes of an error as the app would have written it."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api.errors import error_response
from app.api.exchange import REFUSED, Identity
from app.connections.limits import Limits
from app.errors import BadRequest, HeadersTooLarge, RequestTooSlow, ServiceError

_TLS, _HTTP2 = b"\x16\x03", b"PRI * HTTP/2"  # how connections of other kinds begin
_MOST_LETTERS = 200


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


def not_http(error: Exception, data: bytes) -> BadRequest:
    """For what can't be read; `error` is the parser's, over `data`."""
    if data.startswith(_TLS):
        return BadRequest("the request is not valid HTTP: it looks like TLS, and this port speaks plain http")
    if data.startswith(_HTTP2):
        return BadRequest("the request is not valid HTTP/1.1: HTTP/2 is not spoken here")
    reason = str(error)
    if "url" in reason and not data.partition(b"\r\n")[0].isascii():
        reason += "; what is not ASCII must be percent-encoded"
    return BadRequest(f"the request is not valid HTTP: {reason[:1].lower()}{reason[1:_MOST_LETTERS]}")


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
