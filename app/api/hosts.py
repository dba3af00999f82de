"""The ASGI layer against web pages of others: under which names the server answers, and to requests from which sites.

A page that a person visits can have the browser ask a server in that person's network. By DNS rebinding it reads the
answers too: its own name is made to point at the server. The `Host` header then has that name, and no page can forge
it, so only names that are known are answered. A browser also says from where a request comes (`Origin`,
`Sec-Fetch-Site`): what costs or changes something is refused to other sites. Programs send neither header.
"""

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import ADMIN, covers
from app.api.errors import error_response
from app.errors import BadRequest, CrossSite, ServiceError, WrongHost

ANY = "*"
# Probes come by whatever address the machine has, and tell nothing.
PROBES = ("/healthz", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready")
_TELLING = (b"host", b"origin", b"sec-fetch-site")
_SAFE = ("GET", "HEAD", "OPTIONS")  # they change nothing, and another site can't read their answers
_PORTS = {"http": 80, "https": 443}
# name, or [IPv6], and perhaps a port (RFC 3986, without user names); underscores are in names of compose services.
_NAME = r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?"
_AUTHORITY = re.compile(rf"(?:\[([0-9a-f:.]+(?:%[\w.%-]+)?)\]|{_NAME})(?::(\d{{0,5}}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A host and a port as a header names them."""

    name: str  # lower case, no dot at the end; of an IP address its shortest form
    is_address: bool
    port: int | None

    @classmethod
    @lru_cache(maxsize=64)  # the few names that a server is called by come again and again
    def read(cls, text: str) -> "Place | None":
        """The place that `host`, `host:port` or `[address]:port` names; None if it is none of these."""
        found = _AUTHORITY.fullmatch(text.lower())
        if not found:
            return None
        try:
            name, is_address = str(ip_address(found[1] or found[2])), True
        except ValueError:
            if found[1]:
                return None
            name, is_address = found[2], False
        return cls(name, is_address, int(found[3]) if found[3] else None)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who may come in.

    `hosts`: names besides addresses and `localhost`, lower case; `.name` is it and all below, `*` any. `origins`: of
    pages that may ask for what is not an admin's; `*` any.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def check(self, method: str, path: str, headers: list[tuple[bytes, bytes]], *, http_version: str) -> None:
        """BadRequest, WrongHost or CrossSite unless the request may come in."""
        hosts, origins, sites = _told(headers)
        here = None
        if path not in PROBES and (hosts or http_version != "1.0"):  # no browser speaks 1.0
            here = self._named(hosts)
        if (origins or sites) and method not in _SAFE:
            self._check_origin(path, origins, sites, here)

    def is_welcome(self, origin: str) -> bool:
        """Whether pages of this origin may ask."""
        return ANY in self.origins or origin.lower() in self.origins

    def _check_origin(self, path: str, origins: list[str], sites: list[str], here: Place | None) -> None:
        """CrossSite if the browser says that a page of another origin sent this, and it is none that may."""
        if origins and not covers(ADMIN, path) and all(map(self.is_welcome, origins)):
            return
        foreign = [origin for origin in origins if not _is_ours(origin, here)]
        if foreign or any(site.lower() == "cross-site" for site in sites):
            raise CrossSite(
                f"a page of another site ({foreign[0][:100] if foreign else 'cross-site'}) may not send this unless "
                "DETECTOR_ALLOWED_ORIGINS names it; behind a proxy, let it pass the Host header on"
            )

    def _named(self, given: list[str]) -> Place:
        here = Place.read(given[0]) if len(given) == 1 else None
        if here is None:
            raise BadRequest("the request must have one Host header with a name or an address, and perhaps a port")
        if not (here.is_address or self._covers(here.name)):
            raise WrongHost(
                f"this server does not answer as {here.name[:100]!r}, only by its address, as localhost, or as "
                "DETECTOR_ALLOWED_HOSTS names it"
            )
        return here

    def _covers(self, name: str) -> bool:
        above = [allowed for allowed in self.hosts if allowed.startswith(".")]
        return name in ("localhost", *self.hosts) or ANY in self.hosts or f".{name}".endswith(tuple(above))


def _is_ours(origin: str, here: Place | None) -> bool:
    """Whether the origin is the host and port that was asked. Not the scheme: a proxy may speak TLS for us."""
    scheme, _, authority = origin.lower().partition("://")
    there, default = Place.read(authority), _PORTS.get(scheme)
    if there is None or here is None or default is None:
        return False
    # A port that neither names is the scheme's, which the browser and its proxy agree on.
    return (there.name, there.port or default) == (here.name, here.port or default)


def _told(headers: list[tuple[bytes, bytes]]) -> tuple[list[str], list[str], list[str]]:
    """The values of `Host`, `Origin` and `Sec-Fetch-Site`."""
    found: tuple[list[str], list[str], list[str]] = [], [], []
    for name, value in headers:
        if name in _TELLING:
            found[_TELLING.index(name)].append(value.decode("latin-1").strip())
    return found


class Hosts:
    """Lets a request pass if it asks for us, and not on behalf of another site; there are no WebSockets here."""

    def __init__(self, app: ASGIApp, allowed: Allowed) -> None:
        self._app, self._allowed = app, allowed

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "websocket":
            return send({"type": "websocket.close", "code": 1008})
        if scope["type"] == "http":
            try:
                version = scope.get("http_version", "1.1")
                self._allowed.check(scope["method"], scope["path"], scope["headers"], http_version=version)
            except ServiceError as error:
                return error_response(scope["state"]["request_id"], error)(scope, receive, send)
        return self._app(scope, receive, send)
