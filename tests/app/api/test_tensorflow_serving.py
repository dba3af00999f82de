import base64
from typing import Any

import httpx
import pytest

from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs
from tests.support.converter import pictures

pytestmark = pytest.mark.anyio

MODEL = "/v1/models/street_signs"
B64 = {"b64": base64.b64encode(jpegs.photo()).decode()}
ROW = {
    "detection_boxes": [[0, 0, 1, 1], [0, 0, 0, None]],
    "detection_classes": [64, 0],
    "detection_scores": pytest.approx([0.9, 0.1]),
    "num_detections": 2,
}


async def predict(api: Api, **body: Any) -> httpx.Response:
    return await api.client.post(f"{MODEL}:predict", json=body)


@pytest.mark.parametrize("item", [B64, {"image_bytes": B64}, B64["b64"]], ids=["b64", "named", "bare"])
async def test_rows(item: object, shared: Api) -> None:
    response = await predict(shared, instances=[item, item], signature_name="serving_default")
    assert response.json() == {"predictions": [ROW, ROW]}
    assert response.headers["X-Backend"] == "native"


@pytest.mark.parametrize("inputs", [[B64], {"image_bytes": [B64]}], ids=["bare", "named"])
async def test_columns(inputs: object, shared: Api) -> None:
    outputs = (await predict(shared, inputs=inputs)).json()["outputs"]
    assert outputs == {name: pytest.approx([value]) if name == "x" else [value] for name, value in ROW.items()}


async def test_a_threshold_leaves_rows_out(shared: Api) -> None:
    response = await predict(shared, instances=[B64], parameters={"threshold": 0.5, "theirs": 1})
    (row,) = response.json()["predictions"]
    assert (row["detection_classes"], row["num_detections"]) == ([64], 1)


async def test_the_model_is_shown_the_picture_as_it_is_stored(shared: Api) -> None:
    lying = pictures.oriented(jpegs.photo(), 6)
    await predict(shared, instances=[{"b64": base64.b64encode(lying).decode()}])
    assert shared.native.batches[-1][0].applied_orientation == 1


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
async def test_status_and_metadata(path: str, shared: Api) -> None:
    (status,) = (await shared.client.get(path)).json()["model_version_status"]
    assert (status["version"], status["state"], status["status"]["error_code"]) == ("1", "AVAILABLE", "OK")
    body = (await shared.client.get(f"{path}/metadata")).json()
    assert body["model_spec"] == {"name": "street_signs", "signature_name": "", "version": "1"}
    told = body["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert told["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert told["outputs"]["detection_boxes"]["dtype"] == "DT_FLOAT"
    assert [side["size"] for side in told["outputs"]["detection_boxes"]["tensor_shape"]["dim"]] == ["-1", "2", "4"]
    assert (await shared.client.post(f"{path}:predict", json={"instances": [B64]})).status_code == 200
    refused = await shared.client.put(f"{path}:predict")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "and not with both"),
    ({"instances": [B64], "inputs": [B64]}, 400, "and not with both"),
    ({"instances": []}, 400, "is a list with a"),
    ({"instances": [B64] * 33}, 400, "33 pictures; the limit is 32"),
    ({"instances": [{"image": B64}]}, 400, "no input 'image' to be given; pictures go to 'image_bytes'"),
    ({"instances": [[[0, 1], [2, 3]]]}, 400, "and not as numbers"),
    ({"instances": [B64], "signature_name": "classify"}, 400, "no signature 'classify'"),
    ({"instances": [{"b64": "%"}]}, 400, "not valid base64"),
    ({"instances": [{"b64": "R0lGODlh"}]}, 415, "not a JPEG file"),
    ({"instances": [B64], "parameters": {"threshold": 2}}, 422, "threshold: "),
    ({"instances": [B64], "parameters": {"backend": "both"}}, 422, "of one backend, not of both"),
    ({"instances": [B64], "parameters": {"backend": "trt"}}, 503, "'trt' is unavailable"),
    ({"instances": [B64], "theirs": "x" * 5000}, 400, "that is not a picture"),
]


@pytest.mark.parametrize(("body", "status", "sentence"), WRONG, ids=[sentence[:30] for *_, sentence in WRONG])
async def test_what_is_wrong_is_named(body: dict[str, Any], status: int, sentence: str, shared: Api) -> None:
    response = await predict(shared, **body)
    assert sentence in assert_is_error(response, status, response.json()["code"])


@pytest.mark.parametrize("path", ["/v1/models/other:predict", f"{MODEL}/versions/2:predict"])
async def test_another_model_or_version_is_404(path: str, shared: Api) -> None:
    assert_is_error(await shared.client.post(path, json={"instances": [B64]}), 404, "not_found")
    assert_is_error(await shared.client.get(path.removesuffix(":predict")), 404, "not_found")


async def test_why_it_is_not_ready_is_told_without_paths(start: Start) -> None:
    api = await start()
    await api.ready()
    api.parts.routing.lanes["native"].slot.leave("unavailable", "/srv/secret/models/1 is gone")
    (told,) = (await api.client.get(MODEL)).json()["model_version_status"]
    assert (told["state"], told["status"]["error_code"]) == ("LOADING", "UNAVAILABLE")
    assert "native is unavailable, 1 is gone" in told["status"]["error_message"]
