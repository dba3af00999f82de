"""The gRPC server: its port, its services, its end."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from open_inference.grpc import protocol

from app.api.access import Keys
from app.api.pipeline import Pipeline
from app.metrics import Metrics
from app.rpc.calls import HEALTH, INFERENCE, Calls, Limits
from app.rpc.health import Health
from app.rpc.inference import Inference

log = logging.getLogger(__name__)

_GRACE_S = 30.0  # for calls that were admitted before the end
_MOST_CALLS = 4096  # of all methods: a call that is not read takes little

Build = Callable[[], tuple["grpc.aio.Server", Health]]


def build(pipeline: Pipeline, keys: Keys, metrics: Metrics, limits: Limits) -> Build:
    """Makes the server and its health service, once an event loop runs."""
    return partial(_server, pipeline, keys, metrics, limits)


@asynccontextmanager
async def running(make: Build, bind: str, fail: Callable[[str], None]) -> AsyncIterator[None]:
    """The server listens while the block runs; what is under way then is answered. `fail` is told if it can't."""
    server, health = make()
    try:
        bound = server.add_insecure_port(bind)
    except RuntimeError:  # grpc has said why in the log
        fail(f"gRPC can't listen on {bind}: another program does, or it is not an address of this machine")
        yield
        return
    await server.start()
    log.info("listening for gRPC bind=%s port=%d", bind, bound)
    try:
        yield
    finally:
        health.end()
        await server.stop(_GRACE_S)


def _server(pipeline: Pipeline, keys: Keys, metrics: Metrics, limits: Limits) -> tuple["grpc.aio.Server", Health]:
    options = [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # two servers on one port would share its calls
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=_MOST_CALLS)
    health = Health(pipeline.serving)
    server.add_generic_rpc_handlers((*_services(pipeline, health, Calls(keys, metrics, limits)),))
    return server, health


def _services(pipeline: Pipeline, health: Health, calls: Calls) -> Iterator[Any]:
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
    asked, answered = health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    check = calls.handler(f"/{HEALTH}/Check", health.check, asked, answered)
    watch = grpc.stream_stream_rpc_method_handler(health.watch, None, answered.SerializeToString)
    yield grpc.method_handlers_generic_handler(HEALTH, {"Check": check, "Watch": watch})
