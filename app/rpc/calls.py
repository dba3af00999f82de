"""What every call goes through: its token, its one message, its errors in gRPC's words, its duration in the metrics."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from app.api import outside
from app.api.access import Keys
from app.api.discretion import discreet
from app.api.errors import CLIENT_CLOSED_REQUEST, STATUS, retry_after
from app.errors import BadRequest, Overloaded, RequestTooSlow, ServiceError
from app.metrics import NO_BACKEND, Metrics
from app.rpc import messages
from app.rpc.inference import Metadata

log = logging.getLogger(__name__)

INFERENCE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
PUBLIC = (f"/{INFERENCE}/ServerLive", f"/{INFERENCE}/ServerReady", f"/{HEALTH}/Check", f"/{HEALTH}/Watch")
CODES: Mapping[int, grpc.StatusCode] = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}  # all others are the request's fault
# A message that is too large comes as none: grpc tells the client, and within this time cancels whoever waits for it.
_CANCELLED_S = 0.1

Method = Callable[[Any, Metadata], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What clients may send."""

    message_bytes: int
    message_seconds: float  # from a call's beginning until its message is there
    calls: int  # at once, of methods that are not public: probes are answered beside as many as these


class Calls:
    """Has each call's token checked, its errors told and its duration observed, as a request's over HTTP."""

    def __init__(self, keys: Keys, metrics: Metrics, limits: Limits) -> None:
        self._keys, self._metrics, self._limits = keys, metrics, limits
        self._now = 0  # calls that count against the limit

    def handler(self, path: str, method: Method, asked: Any, answered: Any) -> Any:
        """What grpc calls for one method of a service.

        For grpc its messages are a stream, of which clients send one: so the token is checked before it is read, and
        what can't be read is an error like any other. What is sent to a public method is never read: it has no say.
        """

        async def handle(sent: AsyncIterator[bytes], context: Any) -> Any:
            started, status, request = time.perf_counter(), CLIENT_CLOSED_REQUEST, outside.request()
            try:
                self._check(path, context)
                with self._counted(path):
                    message = asked() if path in PUBLIC else messages.parsed(await self._read(sent), asked)
                    answer = await method(message, Metadata(request, context.time_remaining()))
                status = 200
                return answer
            except ServiceError as error:
                status = STATUS[type(error)]
                again = {"retry-after": seconds} if (seconds := retry_after(error)) else {}
                told = {"code": error.code, **again}
                await _abort(context, status, discreet(str(error)), told, request)
            # The edge of the program: the caller gets a sentence, the log gets the rest.
            except Exception as error:
                status, sentence = 500, "the server failed on this call; its log says more"
                log.error("request failed request_id=%s", request.scope["state"]["request_id"], exc_info=error)
                await _abort(context, status, sentence, {"code": "internal"}, request)
            finally:
                backend = request.scope["state"].get("backend", NO_BACKEND)
                self._metrics.observe_request(path, backend, status, time.perf_counter() - started)

        return grpc.stream_unary_rpc_method_handler(handle, None, answered.SerializeToString)

    def _check(self, path: str, context: Any) -> None:
        if path not in PUBLIC:
            given = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
            if len(given) > 1:
                raise BadRequest("the call has more than one authorization")
            self._keys.check(path, str(given[0] if given else "").encode())

    @contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        """Overloaded if there are too many calls already."""
        if path in PUBLIC:
            yield
            return
        if self._now >= self._limits.calls:
            raise Overloaded(f"{self._now} calls are under way already; the limit is {self._limits.calls}")
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1

    async def _read(self, sent: AsyncIterator[bytes]) -> bytes:
        """The call's message; RequestTooSlow or BadRequest if there is none."""
        try:
            async with asyncio.timeout(self._limits.message_seconds):
                async for message in sent:
                    return message
        except TimeoutError:
            sentence = f"the call's message did not arrive within {self._limits.message_seconds:g} s"
            raise RequestTooSlow(sentence) from None
        await asyncio.sleep(_CANCELLED_S)
        raise BadRequest("the call has no message")


async def _abort(context: Any, status: int, sentence: str, told: Mapping[str, str], request: outside.Request) -> None:
    """End the call with an error, and tell more of it in the trailing metadata: for programs, and the request's id."""
    code = CODES.get(status, grpc.StatusCode.INVALID_ARGUMENT)
    await context.abort(code, sentence, (*told.items(), ("x-request-id", request.scope["state"]["request_id"])))
