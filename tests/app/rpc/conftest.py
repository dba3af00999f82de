"""A real gRPC server and a real channel to it, over a backend without a model."""

import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from open_inference.grpc import protocol

from app.rpc.calls import HEALTH, INFERENCE
from app.rpc.inference import Inference
from benchmarks.serving import free_port
from tests.app.api.conftest import Api, Start, starting
from tests.support.app import jpegs

PHOTO = jpegs.photo()
ELEMENT = struct.pack("<I", len(PHOTO)) + PHOTO
METHODS = Inference.METHODS
HEALTH_CODING = health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
KIND: dict[str, Any] = {name: value for name, value in vars(protocol).items() if name.endswith(("Request", "Response"))}


class Client:
    """Asks one server."""

    def __init__(self, api: Api, channel: "grpc.aio.Channel") -> None:
        self.api, self._channel = api, channel

    async def call(self, method: str, message: Any = None, **how: Any) -> Any:
        ask = self._channel.unary_unary(
            f"/{INFERENCE}/{method}",
            request_serializer=KIND[f"{method}Request"].SerializeToString,
            response_deserializer=KIND[f"{method}Response"].FromString,
        )
        return await ask(message or KIND[f"{method}Request"](), timeout=10, **how)

    async def healthy(self) -> int:
        ask = self._channel.unary_unary(f"/{HEALTH}/Check", *HEALTH_CODING)
        status: int = (await ask(health_pb2.HealthCheckRequest())).status
        return status

    def watch(self) -> AsyncIterator[Any]:
        asked = health_pb2.HealthCheckRequest()
        watching: AsyncIterator[Any] = self._channel.unary_stream(f"/{HEALTH}/Watch", *HEALTH_CODING)(asked)
        return aiter(watching)

    async def begin(self, path: str, *messages: bytes) -> Any:
        """A call with these bytes, whose end is told by `await call.done_writing()`."""
        call = self._channel.stream_unary(path)(timeout=10)
        for message in messages:
            await call.write(message)
        return call

    async def refused(self, method: str, message: Any = None, **how: Any) -> tuple[str, str]:
        """The code's name and the sentence of the error that it ends with."""
        return await error_of(self.call(method, message, **how))


async def error_of(call: Awaitable[Any]) -> tuple[str, str]:
    """The code's name and the sentence of the error that the call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, str(caught.value.details())


@pytest.fixture(scope="module")
async def connect(shared_model: Path) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        start: Start = await stack.enter_async_context(starting(shared_model))

        async def connected(**settings: Any) -> Client:
            bind = f"127.0.0.1:{free_port()}"
            api = await start(grpc_bind=bind, **settings)
            await api.ready()
            options = [("grpc.max_send_message_length", -1)]
            return Client(api, await stack.enter_async_context(grpc.aio.insecure_channel(bind, options=options)))

        yield connected


@pytest.fixture(scope="module")
async def client(connect: Any) -> Client:
    made: Client = await connect()
    return made


def infer(*, raw: list[bytes] | None = None, contents: list[bytes] | None = None, **changes: Any) -> Any:
    how = {"name": "image_bytes", "datatype": "BYTES", "shape": [1], **changes}
    tensor = protocol.ModelInferRequest.InferInputTensor(**how)
    tensor.contents.bytes_contents.extend(contents or [])
    return protocol.ModelInferRequest(
        model_name="street_signs", id="mine", inputs=[tensor], raw_input_contents=raw or []
    )
