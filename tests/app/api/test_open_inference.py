import base64
import gzip
import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs
from tests.support.fakes import FACTS

pytestmark = pytest.mark.anyio

MODEL = "/v2/models/street_signs"
PHOTO = jpegs.photo()
TEXT = base64.b64encode(PHOTO).decode()
ELEMENT = struct.pack("<I", len(PHOTO)) + PHOTO
OUTPUTS = list(FACTS.tensors["outputs"])


def tensor(count: int = 1, **changes: Any) -> dict[str, Any]:
    return {"name": "image_bytes", "shape": [count], "datatype": "BYTES", "data": [TEXT] * count, **changes}


async def infer(api: Api, **body: Any) -> httpx.Response:
    return await api.client.post(f"{MODEL}/infer", json=body)


async def infer_binary(
    api: Api, elements: bytes, *, shape: list[int], packed: bool = False, **body: Any
) -> httpx.Response:
    given = tensor(shape=shape, parameters={"binary_data_size": len(elements)})
    del given["data"]
    head = json.dumps({"inputs": [given], **body}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), **({"Content-Encoding": "gzip"} if packed else {})}
    whole = head + elements
    return await api.client.post(f"{MODEL}/infer", content=gzip.compress(whole) if packed else whole, headers=headers)


def outputs(response: httpx.Response) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in response.json()["outputs"]}


@pytest.mark.parametrize("data", [[TEXT, TEXT], [[TEXT], [{"b64": TEXT}]]], ids=["flat", "nested"])
async def test_json_in_and_out(data: list[object], shared: Api) -> None:
    shape = [2] if isinstance(data[0], str) else [2, 1]
    response = await infer(shared, id="mine", inputs=[tensor(shape=shape, data=data)])
    body = response.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("street_signs", "1", "mine")
    found = outputs(response)
    assert list(found) == OUTPUTS
    assert (found["detection_boxes"]["datatype"], found["detection_boxes"]["shape"]) == ("FP32", [2, 2, 4])
    assert found["detection_boxes"]["data"] == [0, 0, 1, 1, 0, 0, 0, None] * 2
    assert (found["num_detections"]["datatype"], found["num_detections"]["data"]) == ("INT32", [2, 2])


@pytest.mark.parametrize(
    ("given", "told"), [("x" * 2000, "x" * 2000), ("\\ud800", "?"), (7, "7"), ("", None), (None, None)]
)
async def test_an_id_goes_back_as_it_came(given: object, told: str | None, shared: Api) -> None:
    body = json.dumps({"id": given, "inputs": [tensor()]}).replace("\\\\", "\\")
    assert (await shared.client.post(f"{MODEL}/infer", content=body)).json().get("id") == told


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_binary_in_and_out(packed: bool, shared: Api) -> None:
    asked = [{"name": "num_detections"}, {"name": "detection_scores", "parameters": {"binary_data": True}}]
    response = await infer_binary(shared, ELEMENT * 2, shape=[2], packed=packed, outputs=asked)
    assert response.headers["Content-Type"] == "application/octet-stream"
    end = int(response.headers["Inference-Header-Content-Length"])
    count, scores = json.loads(response.content[:end])["outputs"]
    assert count["data"] == [2, 2]
    assert scores["parameters"]["binary_data_size"] == len(response.content) - end == 16
    assert np.frombuffer(response.content[end:], "<f4").tolist() == pytest.approx([0.9, 0.1] * 2)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
async def test_a_file_may_be_base64_itself_as_graphs_that_decode_it_have_it(encode: Any, shared: Api) -> None:
    text = encode(PHOTO).rstrip(b"=")
    response = await infer_binary(shared, struct.pack("<I", len(text)) + text, shape=[1])
    assert (response.status_code, shared.native.batches[-1][0].data) == (200, PHOTO)


async def test_everything_can_be_asked_for_as_binary_and_above_a_threshold(shared: Api) -> None:
    response = await infer_binary(
        shared, ELEMENT, shape=[1, 1], parameters={"binary_data_output": True, "threshold": 0.5}
    )
    told = json.loads(response.content[: int(response.headers["Inference-Header-Content-Length"])])["outputs"]
    assert [each["parameters"]["binary_data_size"] for each in told] == [16, 4, 4, 4]
    assert told[0]["shape"] == [1, 1, 4]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, '"inputs" must be a list'),
    ({"inputs": []}, 400, "the one input to be given is 'image_bytes'"),
    ({"inputs": [tensor(name="image")]}, 400, "'image_bytes'; there is 'image'"),
    (
        {"inputs": [tensor(datatype="UINT8", data=[1, 2])]},
        400,
        "is taken as BYTES, JPEG files; its datatype is 'UINT8'",
    ),
    ({"inputs": [tensor(shape=[2])]}, 400, "the shape of the input is [2], and its data has 1"),
    ({"inputs": [tensor(shape="many")]}, 400, "must be [N], or [N, 1]"),
    ({"inputs": [tensor(33)]}, 400, "33 pictures; the limit is 32"),
    ({"inputs": [tensor(data="x")]}, 400, "a list of base64 strings"),
    ({"inputs": [tensor(data=["R0lGODlh"])]}, 415, "not a JPEG file"),
    ({"inputs": [tensor(2, data=[TEXT, "R0lGODlh"])]}, 415, "picture 2 of 2: the body is not a JPEG file"),
    (
        {"inputs": [tensor()], "outputs": [{"name": "detection_boxes"}] * 2},
        400,
        "'detection_boxes' is asked for 2 times",
    ),
    ({"inputs": [tensor(parameters=[1])]}, 400, '"parameters" must be an object'),
    ({"inputs": [tensor(parameters={"binary_data_size": 5})]}, 400, "binary_data_size is 5, and 0 bytes follow"),
    ({"inputs": [tensor()], "outputs": [{"name": "masks"}]}, 400, "no output 'masks'; there are: detection_boxes"),
    (
        {"inputs": [tensor()], "outputs": [{"name": "num_detections", "parameters": {"classification": 3}}]},
        400,
        "as a classification",
    ),
    (
        {"inputs": [tensor()], "outputs": [{"name": "num_detections", "parameters": {"shared_memory_region": "a"}}]},
        400,
        "the output 'num_detections' is said to be in shared memory",
    ),
    ({"inputs": [tensor(parameters={"shared_memory_region": "a"})]}, 400, "the input 'image_bytes' is said to be in"),
    (
        {"inputs": [tensor()], "outputs": [{"name": "num_detections", "parameters": {"binary_data": "false"}}]},
        400,
        "binary_data must be true or false; it is 'false'",
    ),
    ({"inputs": [tensor()], "parameters": {"binary_data_output": 1}}, 400, "binary_data_output must be true or false"),
    ({"inputs": [tensor()], "id": ["mine"]}, 400, '"id" must be a string'),
    ({"inputs": [tensor()], "id": False}, 400, '"id" must be a string'),
    ({"inputs": [tensor()], "outputs": {}}, 400, '"outputs" must be a list of objects'),
    ({"inputs": [tensor()], "parameters": []}, 400, '"parameters" must be an object'),
    ({"inputs": [tensor()], "parameters": {"threshold": "x"}}, 422, "threshold: "),
    ({"inputs": [tensor()], "parameters": {"backend": "magic"}}, 422, "backend: "),
]


@pytest.mark.parametrize(("body", "status", "sentence"), WRONG, ids=[sentence[:40] for *_, sentence in WRONG])
async def test_what_is_wrong_is_named(body: dict[str, Any], status: int, sentence: str, shared: Api) -> None:
    response = await infer(shared, **body)
    assert sentence in assert_is_error(response, status, response.json()["code"])


@pytest.mark.parametrize(
    ("elements", "shape", "sentence"),
    [
        (ELEMENT[:-1], [1], "not a list of BYTES"),
        (ELEMENT + b"\0\0", [1], "not a list of BYTES"),
        (b"\xff\xff\xff\xff", [1], "not a list of BYTES"),
        (struct.pack("<I", 0) * 40, [40], "more than 32 pictures"),
    ],
)
async def test_binary_data_whose_lengths_are_wrong_is_400(
    elements: bytes, shape: list[int], sentence: str, shared: Api
) -> None:
    assert sentence in assert_is_error(await infer_binary(shared, elements, shape=shape), 400, "bad_request")


@pytest.mark.parametrize("length", ["x", "-1", "9" * 30, "100000", "²"])
async def test_a_wrong_length_of_the_json_is_400(length: str, shared: Api) -> None:
    headers = {b"Inference-Header-Content-Length": length.encode("latin-1")}
    response = await shared.client.post(f"{MODEL}/infer", content=b"{}", headers=headers)
    assert "Inference-Header-Content-Length must be" in assert_is_error(response, 400, "bad_request")


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
async def test_metadata_and_readiness(path: str, shared: Api) -> None:
    body = (await shared.client.get(path)).json()
    assert (body["name"], body["versions"], body["platform"]) == ("street_signs", ["1"], "tensorflow_savedmodel")
    assert body["inputs"] == [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}]
    assert {each["name"]: each["shape"] for each in body["outputs"]}["detection_boxes"] == [-1, 2, 4]
    assert (await shared.client.get(f"{path}/ready")).json() == {"name": "street_signs", "ready": True}
    assert (await shared.client.get("/v2/health/ready")).json() == {"ready": True}
    assert "binary_tensor_data" in (await shared.client.get("/v2")).json()["extensions"]


async def test_one_that_is_refused_before_it_is_read_counts_for_its_route(start: Start) -> None:
    api = await start(token="sesame")
    assert_is_error(await infer(api, inputs=[tensor()]), 401, "unauthorized")
    labels = {"route": "/v2/models/{name}/infer", "code": "401"}
    assert await api.metric("detector_request_duration_seconds_count", **labels) == 1


@pytest.mark.parametrize("path", ["/v2/models/other", f"{MODEL}/versions/2"])
async def test_another_model_or_version_is_404(path: str, shared: Api) -> None:
    assert_is_error(await shared.client.get(path), 404, "not_found")
    assert_is_error(await shared.client.post(f"{path}/infer", json={"inputs": [tensor()]}), 404, "not_found")
