"""The ASGI layer that asks for bearer tokens, before anything of the body is read. Closed unless listed as public."""

import hmac
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import lru_cache

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import error_response
from app.errors import BadRequest, Forbidden, ServiceError, Unauthorized

# Tells the OpenAPI page that a token goes here; the layer below has checked it already.
TOKEN = Depends(HTTPBearer(auto_error=False, description="Only needed where a token is set."))

# What anybody may ask for: probes, figures, and the page with what it shows. A path that ends in a slash: all below it.
PUBLIC = (
    "/",
    "/compare",
    "/docs",
    "/healthz",
    "/metrics",
    "/model",
    "/model/versions",
    "/openapi.json",
    "/page/",
    "/readyz",
    "/samples",
    "/samples/",
    "/startupz",
    "/static-offline-docs/",
    "/v2/health/live",
    "/v2/health/ready",
)
ADMIN = ("/admin", "/admin/", "/convert", "/convert/")
_ADMIN_OFF = "the admin routes are off: no DETECTOR_ADMIN_TOKEN is set"


@dataclass(frozen=True, slots=True)
class Keys:
    """The tokens that open what is not public; without one detections are free, and the admin routes are closed."""

    detection: str | None = field(default=None, repr=False)
    admin: str | None = field(default=None, repr=False)

    def check(self, path: str, authorization: bytes) -> None:
        """Unauthorized or Forbidden unless the path may be asked for with this header.

        Whatever is neither public nor the admin's needs the detection token: a new route is closed from the start.
        """
        if covers(ADMIN, path):
            if self.admin is None:
                raise Forbidden(_ADMIN_OFF)
            _check_token(self.admin, authorization)
        elif self.detection is not None and not covers(PUBLIC, path):
            _check_token(self.detection, authorization)


def covers(paths: tuple[str, ...], path: str) -> bool:
    """Whether `path` is one of `paths`, or lies below one that ends in a slash."""
    return path in paths or path.startswith(_folders(paths))


@lru_cache(maxsize=8)
def _folders(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in paths if each.endswith("/") and each != "/")


def _authorization(scope: Scope) -> bytes:
    """The header's value, empty without one. Of two, a proxy in front may have looked at the other one: BadRequest."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) > 1:
        raise BadRequest("the request has more than one Authorization header")
    return given[0] if given else b""


def _check_token(token: str, authorization: bytes) -> None:
    """The header must have the token, in UTF-8; compared in constant time."""
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not given:
        raise Unauthorized("this needs a token, sent as Authorization: Bearer …")
    if not hmac.compare_digest(given.strip(), token.encode()):
        raise Forbidden("the token is wrong")


class Access:
    """Lets a request pass if its header opens its path."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http":
            try:
                self._keys.check(scope["path"], _authorization(scope))
            except ServiceError as error:
                return error_response(scope["state"]["request_id"], error)(scope, receive, send)
        return self._app(scope, receive, send)
