"""The Open Inference Protocol over gRPC: what is asked and answered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from open_inference.grpc import protocol

from tests.app.rpc.conftest import ELEMENT, PHOTO, Client, infer
from tests.support.fakes import FACTS

pytestmark = pytest.mark.anyio


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
    yield infer(raw=[ELEMENT[:-1]]), "INVALID_ARGUMENT", "not a list of BYTES"
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
