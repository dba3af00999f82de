"""What the logs say of requests: one line for each that has ended, and one for each change asked of an admin's route.

Neither has a body, a picture, a token, a query or a path as it was sent.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute

from app.api.access import ADMIN, covers
from app.api.exchange import Exchange
from app.api.hosts import PROBES
from app.logs import AUDIT, REQUESTS
from app.metrics import NO_BACKEND

requests_log, audit_log = logging.getLogger(REQUESTS), logging.getLogger(AUDIT)

# They are asked for every few seconds, and only say the same again: a line only at the level debug, or if they fail.
QUIET = frozenset({*PROBES, "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # these change nothing
_WORK = ("pictures", "queue_ms", "infer_ms")  # the times are those of the picture that took longest
_OUTCOMES = {401: "refused", 403: "refused"}


class Journal:
    """Writes both lines; whether there is a request log is up to its logger. `routes`: all that are served."""

    def __init__(self, routes: Sequence[APIRoute]) -> None:
        self._admins = [route for route in routes if covers(ADMIN, route.path)]

    @property
    def on(self) -> bool:
        """Whether requests get a line."""
        return requests_log.isEnabledFor(logging.INFO)

    def write(self, exchange: Exchange, route: str, seconds: float) -> None:
        """The lines for a request that has ended; `route` is its template."""
        path = exchange.scope["path"]
        if exchange.scope["method"] not in _SAFE and covers(ADMIN, path):
            audit_log.info("admin request", extra={"fields": self._audited(exchange, path)})
        level = logging.DEBUG if route in QUIET and exchange.status < 400 else logging.INFO
        if requests_log.isEnabledFor(level):
            requests_log.log(level, "request", extra={"fields": _told(exchange, route, seconds)})

    def _audited(self, exchange: Exchange, path: str) -> Mapping[str, Any]:
        """The route is found by its path: who was refused has not come to the router."""
        found = next(((route.path, match) for route in self._admins if (match := route.path_regex.match(path))), None)
        route, names = (found[0], found[1].groupdict()) if found else ("unmatched", {})
        status = exchange.status
        return {
            **_who(exchange),
            "client": (exchange.scope.get("client") or ["unknown"])[0],
            "by": "admin token" if exchange.scope.get("route") else "nobody known",
            "method": _method(exchange),
            "route": route,
            "asked": {**names, **exchange.state.get("asked", {})},
            "status": status,
            "outcome": "done" if status < 400 else _OUTCOMES.get(status, "failed"),
        }


def _told(exchange: Exchange, route: str, seconds: float) -> Mapping[str, Any]:
    """The request log's fields; those that a request does not have are left out."""
    state = exchange.state
    work: dict[str, Any] = {name: state[name] for name in _WORK if name in state}
    return {
        **_who(exchange),
        "method": _method(exchange),
        "route": route,
        "status": exchange.status,
        "backend": state.get("backend", NO_BACKEND),
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
        **work,
        "total_ms": round(1000 * seconds, 2),
    }


def _who(exchange: Exchange) -> Mapping[str, str]:
    if exchange.trace is None:
        return {"request_id": exchange.request_id}
    trace = exchange.trace
    return {"request_id": exchange.request_id, "trace_id": trace.trace_id, "span_id": trace.span_id}


def _method(exchange: Exchange) -> str:
    return exchange.scope["method"] if exchange.scope["method"] in _METHODS else "other"
