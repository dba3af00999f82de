"""The gRPC server: its port, its limits, its health service, and what every call goes through."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from open_inference.grpc import protocol

from app.api import outside
from app.api.access import Keys
from app.api.discretion import discreet
from app.api.errors import CLIENT_CLOSED_REQUEST, STATUS
from app.api.pipeline import Pipeline
from app.errors import BadRequest, ServiceError
from app.metrics import NO_BACKEND, Metrics
from app.rpc.inference import Inference, Metadata

log = logging.getLogger(__name__)

INFERENCE, HEALTH = "inference.GRPCInferenceService", "grpc.health.v1.Health"
PUBLIC = (f"/{INFERENCE}/ServerLive", f"/{INFERENCE}/ServerReady", f"/{HEALTH}/Check", f"/{HEALTH}/Watch")
CODES: Mapping[int, grpc.StatusCode] = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}  # all others are the request's fault
_WATCHED_S = 1.0  # between two looks at what a client watches
_GRACE_S = 30.0  # for calls that were admitted before the end
_ROOM_BYTES = 64 << 10  # of a message besides the pictures


Build = Callable[[], "grpc.aio.Server"]
Method = Callable[[Any, Metadata], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may send."""

    message_bytes: int
    calls: int  # at once


class Calls:
    """Has each call's token checked, its errors told and its duration observed, as a request's over HTTP."""

    def __init__(self, keys: Keys, metrics: Metrics) -> None:
        self._keys, self._metrics = keys, metrics

    def handler(self, path: str, method: Method, asked: Any, answered: Any) -> Any:
        """What grpc calls for one method of a service."""

        async def handle(message: Any, context: Any) -> Any:
            started, status, request = time.perf_counter(), CLIENT_CLOSED_REQUEST, outside.request()
            try:
                self._check(path, context)
                answer = await method(message, Metadata(request, context.time_remaining()))
                status = 200
                return answer
            except ServiceError as error:
                status = STATUS[type(error)]
                again = () if error.retry_after_s is None else (("retry-after", f"{max(1, error.retry_after_s):.0f}"),)
                await _abort(context, status, discreet(str(error)), (("code", error.code), *again), request)
            # The edge of the program: the caller gets a sentence, the log gets the rest.
            except Exception as error:
                status, sentence = 500, "the server failed on this call; its log says more"
                log.error("request failed request_id=%s", request.scope["state"]["request_id"], exc_info=error)
                await _abort(context, status, sentence, (("code", "internal"),), request)
            finally:
                backend = request.scope["state"].get("backend", NO_BACKEND)
                self._metrics.observe_request(path, backend, status, time.perf_counter() - started)

        return grpc.unary_unary_rpc_method_handler(handle, asked.FromString, answered.SerializeToString)

    def _check(self, path: str, context: Any) -> None:
        if path not in PUBLIC:
            given = [value for name, value in context.invocation_metadata() or () if name == "authorization"]
            if len(given) > 1:
                raise BadRequest("the call has more than one authorization")
            self._keys.check(path, str(given[0] if given else "").encode())


async def _abort(
    context: Any, status: int, sentence: str, told: Sequence[tuple[str, str]], request: outside.Request
) -> None:
    """End the call with an error, and tell more of it in the trailing metadata: for programs, and the request's id."""
    code = CODES.get(status, grpc.StatusCode.INVALID_ARGUMENT)
    await context.abort(code, sentence, (*told, ("x-request-id", request.scope["state"]["request_id"])))


def build(pipeline: Pipeline, keys: Keys, metrics: Metrics, limits: Limits) -> "Build":
    """Makes the server, once an event loop runs."""
    return partial(_server, pipeline, keys, metrics, limits)


@asynccontextmanager
async def running(make: "Build", bind: str) -> AsyncIterator[None]:
    """The server listens while the block runs; what is under way then is answered. OSError if it can't listen."""
    server = make()
    try:
        bound = server.add_insecure_port(bind)
    except RuntimeError:
        bound = 0
    if not bound:
        raise OSError(f"gRPC can't listen on {bind}")
    await server.start()
    log.info("listening for gRPC bind=%s port=%d", bind, bound)
    try:
        yield
    finally:
        await server.stop(_GRACE_S)


def _server(pipeline: Pipeline, keys: Keys, metrics: Metrics, limits: Limits) -> "grpc.aio.Server":
    largest = limits.message_bytes + _ROOM_BYTES
    options = [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # two servers on one port would share its calls
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=limits.calls)
    server.add_generic_rpc_handlers((*_services(pipeline, Calls(keys, metrics)),))
    return server


def _services(pipeline: Pipeline, calls: Calls) -> Any:
    inference = Inference(pipeline)
    methods = {
        name: calls.handler(
            f"/{INFERENCE}/{name}",
            getattr(inference, name),
            getattr(protocol, f"{name}Request"),
            getattr(protocol, f"{name}Response"),
        )
        for name in inference.METHODS
    }
    yield grpc.method_handlers_generic_handler(INFERENCE, methods)
    watch = grpc.unary_stream_rpc_method_handler(
        _watching(pipeline),
        health_pb2.HealthCheckRequest.FromString,
        health_pb2.HealthCheckResponse.SerializeToString,
    )
    check = calls.handler(
        f"/{HEALTH}/Check", _checking(pipeline), health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    )
    yield grpc.method_handlers_generic_handler(HEALTH, {"Check": check, "Watch": watch})


def _health(pipeline: Pipeline) -> Any:
    kinds = health_pb2.HealthCheckResponse
    status = kinds.SERVING if pipeline.serving.unready() is None else kinds.NOT_SERVING
    return health_pb2.HealthCheckResponse(status=status)


def _checking(pipeline: Pipeline) -> Method:
    async def check(_: Any, __: Metadata) -> Any:
        return _health(pipeline)

    return check


def _watching(pipeline: Pipeline) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        last = None
        while True:
            now = _health(pipeline)
            if now != last:
                yield now
            last = now
            await asyncio.sleep(_WATCHED_S)

    return watch
