"""The ASGI layer that asks for bearer tokens, before anything of the body is read."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import of_service
from app.errors import Forbidden, ServiceError, Unauthorized

# Tells the OpenAPI page that a token goes here; the layer below has checked it already.
TOKEN = Depends(HTTPBearer(auto_error=False, description="Only needed where a token is set."))


@dataclass(frozen=True, slots=True)
class Rule:
    """What a path and everything below it needs. Without a token: free, or closed if `off` says why."""

    path: str
    token: str | None = field(repr=False)
    off: str | None = None

    def covers(self, path: str) -> bool:
        """Whether `path` falls under this rule."""
        return path == self.path or path.startswith(self.path + "/")

    def check(self, authorization: bytes) -> None:
        """Unauthorized or Forbidden unless the header has the token, in UTF-8; compared in constant time."""
        if self.token is None:
            if self.off:
                raise Forbidden(self.off)
            return
        scheme, _, given = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not given:
            raise Unauthorized("this needs a token, sent as Authorization: Bearer …")
        if not hmac.compare_digest(given.strip(), self.token.encode()):
            raise Forbidden("the token is wrong")


class Tokens:
    """Lets a request pass if every rule that covers its path is content."""

    def __init__(self, app: ASGIApp, rules: Sequence[Rule]) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http":
            try:
                for rule in self._rules:
                    if rule.covers(scope["path"]):
                        rule.check(dict(scope["headers"]).get(b"authorization", b""))
            except ServiceError as error:
                await of_service(scope["state"]["request_id"], error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
