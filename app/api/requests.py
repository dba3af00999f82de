"""The outermost ASGI layer: an id for each request, its duration observed once, and what the logs say of it."""

import asyncio
import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.departures import ClientGone
from app.api.errors import CLIENT_CLOSED_REQUEST, answer
from app.api.exchange import Exchange
from app.api.journal import Journal
from app.api.paths import Paths
from app.metrics import NO_BACKEND, Metrics

log = logging.getLogger(__name__)


class Requests:
    """Gives `request.state.request_id`; observes under the route's template, never under the raw path."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, journal: Journal, plain_paths: frozenset[str], named: Paths | None = None
    ) -> None:
        self._app, self._metrics, self._journal = app, metrics, journal
        self._plain_paths, self._named = plain_paths, named or Paths(())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        exchange.state["request_id"] = exchange.request_id
        try:
            await self._app(scope, exchange.receive if self._journal.on else receive, exchange.send)
        except (ClientGone, ClientDisconnect):
            exchange.status = exchange.status or CLIENT_CLOSED_REQUEST  # nobody reads an answer
        except asyncio.CancelledError:
            exchange.status = exchange.status or CLIENT_CLOSED_REQUEST
            raise
        # The edge of the program: the caller gets a sentence, the log gets the rest.
        except Exception as error:
            log.error("request failed request_id=%s", exchange.request_id, exc_info=error)
            if exchange.status:
                raise  # the answer has begun: only closing the connection is left
            sentence = "the server failed on this request; its log says more"
            failed = answer(exchange.request_id, 500, "internal", sentence)
            await failed(scope, receive, exchange.send)
        finally:
            self._ended(exchange)

    def _ended(self, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        exchange.ended()
        route, backend = self._template(exchange.scope), exchange.state.get("backend", NO_BACKEND)
        self._metrics.observe_request(route, backend, exchange.status, seconds)
        self._journal.write(exchange, route, seconds)

    def _template(self, scope: Scope) -> str:
        """The route's template; a layer before the router may have answered: paths count as those of their routes."""
        if route := scope.get("route"):
            return str(route.path)
        path: str = scope["path"]
        return path if path in self._plain_paths else self._named.template(path) or "unmatched"
