"""The Open Inference Protocol over gRPC: a real server and a real channel, over a backend without a model."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from open_inference.grpc import protocol

from app.rpc.server import HEALTH, INFERENCE, PUBLIC
from benchmarks.serving import free_port
from converter.model.detections import Detections
from tests.app.api.conftest import Api, Start, starting
from tests.support.app import jpegs
from tests.support.fakes import FACTS, until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
ELEMENT = struct.pack("<I", len(PHOTO)) + PHOTO
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
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
        ask = self._channel.unary_unary(
            f"/{HEALTH}/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        status: int = (await ask(health_pb2.HealthCheckRequest())).status
        return status

    async def refused(self, method: str, message: Any = None, **how: Any) -> tuple[str, str]:
        """The code's name and the sentence of the error that it ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(method, message, **how)
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


@pytest.mark.parametrize(
    "message", [infer(raw=[ELEMENT]), infer(contents=[PHOTO]), infer(contents=[PHOTO], shape=[1, 1])]
)
async def test_it_answers_with_the_signatures_outputs(message: Any, client: Client) -> None:
    answer = await client.call("ModelInfer", message)
    assert (answer.model_name, answer.model_version, answer.id) == ("street_signs", "1", "mine")
    assert [each.name for each in answer.outputs] == list(FACTS.tensors["outputs"])
    assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("FP32", [1, 2, 4])
    boxes = np.frombuffer(answer.raw_output_contents[0], "<f4")
    assert boxes[:4].tolist() == [0, 0, 1, 1]
    assert np.isnan(boxes[7])
    assert answer.parameters["backend"].string_param == "native"


async def test_outputs_and_a_threshold_can_be_asked_for(client: Client) -> None:
    message = infer(raw=[ELEMENT])
    message.parameters["threshold"].double_param = 0.5
    message.outputs.add(name="detection_scores")
    answer = await client.call("ModelInfer", message)
    assert [(each.name, list(each.shape)) for each in answer.outputs] == [("detection_scores", [1, 1])]


async def test_metadata_readiness_and_health(client: Client) -> None:
    found = await client.call("ModelMetadata", protocol.ModelMetadataRequest(name="street_signs"))
    assert (found.inputs[0].name, found.inputs[0].datatype, list(found.inputs[0].shape)) == (
        "image_bytes",
        "BYTES",
        [-1],
    )
    assert (await client.call("ModelReady", protocol.ModelReadyRequest(name="street_signs", version="1"))).ready
    assert (await client.call("ServerReady")).ready
    assert (await client.call("ServerLive")).live
    assert (await client.call("ServerMetadata")).name == "detection-server"
    assert await client.healthy() == health_pb2.HealthCheckResponse.SERVING


def wrong() -> Iterator[tuple[Any, str, str]]:
    yield infer(raw=[ELEMENT[:-1]]), "INVALID_ARGUMENT", "no list of BYTES"
    yield infer(raw=[ELEMENT], contents=[PHOTO]), "INVALID_ARGUMENT", "which then has no contents"
    yield infer(contents=[PHOTO], shape=[2]), "INVALID_ARGUMENT", "its data has 1 JPEG files"
    yield infer(contents=[PHOTO], name="images"), "INVALID_ARGUMENT", "'image_bytes'; there is 'images'"
    yield infer(contents=[b"GIF89a"]), "INVALID_ARGUMENT", "not a JPEG file"
    yield protocol.ModelInferRequest(model_name="other"), "NOT_FOUND", "there is no model 'other'"


@pytest.mark.parametrize(("message", "code", "sentence"), list(wrong()))
async def test_what_is_wrong_is_named(message: Any, code: str, sentence: str, client: Client) -> None:
    found = await client.refused("ModelInfer", message)
    assert found[0] == code
    assert sentence in found[1]


async def test_each_method_is_public_or_needs_the_token(connect: Any) -> None:
    client = await connect(token="sesame")
    for method in METHODS:
        if f"/{INFERENCE}/{method}" in PUBLIC:
            await client.call(method)
        else:
            assert (await client.refused(method))[0] == "UNAUTHENTICATED"
            wrong = await client.refused(method, metadata=[("authorization", "Bearer wrong")])
            assert wrong == ("PERMISSION_DENIED", "the token is wrong")
            twice = await client.refused(method, metadata=[("authorization", "Bearer sesame")] * 2)
            assert twice == ("INVALID_ARGUMENT", "the call has more than one authorization")
    assert await client.healthy() == health_pb2.HealthCheckResponse.SERVING
    await client.call("ModelInfer", infer(raw=[ELEMENT]), metadata=[("authorization", "Bearer sesame")])


async def test_calls_are_bounded_queued_and_counted_like_requests(connect: Any) -> None:
    client: Client = await connect(max_body_bytes=2_000_000, queue_limit=1, batches_in_flight=1)
    assert (await client.refused("ModelInfer", infer(contents=[bytes(3_000_000)])))[0] == "RESOURCE_EXHAUSTED"
    native = client.api.native
    native.open_gate.clear()
    message = infer(contents=[PHOTO])
    calls = [asyncio.create_task(client.call("ModelInfer", message)) for _ in range(3)]
    await until(lambda: len(native.batches) == 2)
    await client.api.until_metric("detector_queue_depth", 1, backend="native")
    assert (await client.refused("ModelInfer", message))[0] == "RESOURCE_EXHAUSTED"
    calls[-1].cancel()  # its client has left: what waits for it is never run
    await client.api.until_metric("detector_queue_depth", 0, backend="native")
    native.open_gate.set()
    await asyncio.gather(*calls[:2])
    route = f"/{INFERENCE}/ModelInfer"
    for code, count in (("200", 2), ("429", 1), ("499", 1)):
        name = "detector_request_duration_seconds_count"
        assert await client.api.metric(name, route=route, code=code) == count
    assert await client.api.metric("detector_images_total", result="ok") == 2


async def test_a_bug_is_told_in_a_sentence_and_its_words_stay_in_the_log(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client: Client = await connect()

    def bug(image: object) -> Detections:
        raise ZeroDivisionError("inner words")

    client.api.native.answer = bug
    code, sentence = await client.refused("ModelInfer", infer(contents=[PHOTO]))
    assert (code, sentence) == ("INTERNAL", "the server failed on this call; its log says more")
    assert "inner words" in caplog.text


async def test_a_deadline_holds_and_a_stopping_server_is_not_ready(connect: Any) -> None:
    client: Client = await connect()
    client.api.native.open_gate.clear()
    ask = client._channel.unary_unary(
        f"/{INFERENCE}/ModelInfer", request_serializer=protocol.ModelInferRequest.SerializeToString
    )
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await ask(infer(contents=[PHOTO]), timeout=0.2)
    client.api.native.open_gate.set()
    client.api.app.state.health.draining = True
    assert not (await client.call("ServerReady")).ready
    assert await client.healthy() == health_pb2.HealthCheckResponse.NOT_SERVING
