"""DeepStack's and Hugging Face's protocols: labelled boxes in whole pixels."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from converter.model.detections import Detections
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
FACES = "/models/street_signs"
VISION = "/v1/vision/detection"


def several(*scores: float) -> Detections:
    boxes = np.array([[1.4, 2.6, 30, 47.9]] * len(scores), np.float32)
    return Detections(boxes, np.array(scores, np.float32), np.array([64, 65, 64][: len(scores)], np.int32))


@pytest.mark.parametrize(("fields", "count"), [({}, 2), ({"min_confidence": "0.1"}, 3), ({"api_key": "x"}, 2)])
async def test_deepstack(fields: dict[str, str], count: int, shared: Api) -> None:
    shared.native.answer = lambda image: several(0.9, 0.45, 0.39)
    response = await shared.client.post(VISION, files={"image": PHOTO}, data=fields)
    body = response.json()
    assert (body["success"], body["code"], body["count"]) == (True, 200, count)
    first = {"confidence": 0.9, "label": "tram", "x_min": 1, "y_min": 3, "x_max": 30, "y_max": 48}
    assert body["predictions"][0] == first
    assert [each["confidence"] for each in body["predictions"]] == [0.9, 0.45, 0.39][:count]
    assert {type(body[name]) for name in ("inferenceMs", "processMs")} == {int}
    assert body["duration"] >= 0


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        ({"files": {"image": b"GIF89a"}}, 415, "not a JPEG file"),
        ({"data": {"image": "x"}}, 415, "not a JPEG file"),
        ({"files": [("a", PHOTO), ("b", PHOTO)]}, 400, "2 files; one picture is answered here"),
        ({"files": {"image": PHOTO}, "data": {"min_confidence": "high"}}, 422, "min_confidence: "),
        ({"files": {"image": PHOTO}, "data": {"backend": "both"}}, 422, "one backend, not with both"),
    ],
)
async def test_an_error_has_deepstacks_form(sent: dict[str, Any], status: int, sentence: str, shared: Api) -> None:
    response = await shared.client.post(VISION, **sent)
    body = response.json()
    assert response.status_code == body["code"] == status
    assert body["success"] is False
    assert sentence in body["error"]


async def test_so_has_one_of_a_layer_before_it(start: Start) -> None:
    api = await start(token="sesame")
    for path, status in ((VISION, 401), ("/v1/vision/face", 401)):
        body = (await api.client.post(path, files={"image": PHOTO})).json()
        assert (body["success"], body["code"]) == (False, status)


def as_json(**said: Any) -> bytes:
    return json.dumps({"inputs": base64.b64encode(PHOTO).decode(), **said}).encode()


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (PHOTO, 1),
        (as_json(), 1),
        (as_json(parameters={"threshold": 0.1}), 3),
        (as_json(parameters={"threshold": None}), 1),
    ],
)
async def test_hugging_face(content: bytes, count: int, shared: Api) -> None:
    shared.native.answer = lambda image: several(0.9, 0.45, 0.39)
    body = (await shared.client.post(FACES, content=content)).json()
    assert body[0] == {"score": 0.9, "label": "tram", "box": {"xmin": 1, "ymin": 3, "xmax": 30, "ymax": 48}}
    assert len(body) == count


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"image": "x"}', 400, "bad_request"),
        (b'{"inputs": 5}', 400, "bad_request"),
        *((as_json(parameters=wrong), 400, "bad_request") for wrong in ([1], [], 0, False, "")),
        *((as_json(parameters=wrong), 422, "bad_parameter") for wrong in ({"box": "xywh"}, {"annotate": True})),
        (as_json(parameters={"threshold": 3}), 422, "bad_parameter"),
        (b"GIF89a", 415, "not_a_jpeg"),
    ],
)
async def test_what_hugging_face_would_not_take_is_told(content: bytes, status: int, code: str, shared: Api) -> None:
    assert_is_error(await shared.client.post(FACES, content=content), status, code)


async def test_another_model_is_404(shared: Api) -> None:
    assert_is_error(await shared.client.post("/models/detr", content=PHOTO), 404, "not_found")
