"""Every form of a request with every parameter, against the real model: all forms get the same answer."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import PIL.Image
import pytest

from benchmarks.serving import Server

pytestmark = pytest.mark.tensorflow

Send = Callable[[httpx.Client, bytes, Mapping[str, Any]], httpx.Response]
WHOLE = {"Content-Type": "image/jpeg"}


def text(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def raw(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", content=photo, params=parameters, headers=WHOLE)


def curl_default(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # curl --data-binary without -H
    return client.post("/detect", content=photo, params=parameters, headers=headers)


def form(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", files={"image": photo}, data=dict(parameters))


def form_with_query(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", files={"file": photo}, params=parameters)


def as_json(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", json={"image": text(photo), **parameters})


def as_data_uri(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", json={"image": "data:image/jpeg;base64," + text(photo)}, params=parameters)


def as_json_list(client: httpx.Client, photo: bytes, parameters: Mapping[str, Any]) -> httpx.Response:
    return client.post("/detect", json={"images": [text(photo)], **parameters})


FORMS = (raw, curl_default, form, form_with_query, as_json, as_data_uri, as_json_list)

Check = Callable[[dict[str, Any]], bool]
XYXY = {"xmin": 132.73, "ymin": 206.75, "xmax": 326.06, "ymax": 543.15}  # the dog


def dog_box(answer: dict[str, Any]) -> dict[str, float]:
    box: dict[str, float] = answer["detections"][0]["box"]
    return box


def labels(answer: dict[str, Any]) -> list[str]:
    return [item["label"] for item in answer["detections"]]


PARAMETERS: list[tuple[dict[str, Any], Check]] = [
    ({}, lambda answer: labels(answer)[:3] == ["dog", "bicycle", "car"]),
    ({"threshold": 0.8}, lambda answer: labels(answer) == ["dog", "bicycle"]),
    ({"confidence": 0.8}, lambda answer: labels(answer) == ["dog", "bicycle"]),
    ({"min_confidence": "0.8"}, lambda answer: labels(answer) == ["dog", "bicycle"]),
    ({"max_detections": 1}, lambda answer: labels(answer) == ["dog"]),
    ({"classes": "car,Bicycle"}, lambda answer: labels(answer) == ["bicycle", "car"]),
    ({"classes": "18"}, lambda answer: labels(answer) == ["dog"]),
    ({"box": "xyxy"}, lambda answer: dog_box(answer) == pytest.approx(XYXY, abs=0.1)),
    (
        {"box": "xywh"},
        lambda answer: (
            dog_box(answer) == pytest.approx({"x": 132.73, "y": 206.75, "width": 193.33, "height": 336.4}, abs=0.1)
        ),
    ),
    (
        {"box": "cxcywh"},
        lambda answer: (
            dog_box(answer) == pytest.approx({"cx": 229.4, "cy": 374.95, "width": 193.33, "height": 336.4}, abs=0.1)
        ),
    ),
    (
        {"box": "xyxy_norm"},
        lambda answer: (
            dog_box(answer) == pytest.approx({"xmin": 0.1728, "ymin": 0.3589, "xmax": 0.4246, "ymax": 0.943}, abs=1e-3)
        ),
    ),
    ({"box": "yxyx_norm"}, lambda answer: list(dog_box(answer)) == ["ymin", "xmin", "ymax", "xmax"]),
    ({"backend": "frozen"}, lambda answer: answer["backend"] == "frozen"),
    ({"annotate": "true"}, lambda answer: drawn(answer["annotated"]) == (768, 576)),
    ({"timeout_ms": 20000}, lambda answer: answer["count"] > 0),
]


def drawn(uri: str) -> tuple[int, int]:
    return PIL.Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")))).size


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what differs from request to request; several pictures are unwrapped."""
    picture = answer["results"][0] if "results" in answer else answer
    return {key: picture[key] for key in ("backend", "image", "detections", "count")}


@pytest.mark.parametrize(
    ("parameters", "holds"), PARAMETERS, ids=lambda value: "" if callable(value) else str(value or "none")
)
@pytest.mark.parametrize("send", FORMS)
def test_every_form_takes_every_parameter(
    server: Server, photos: dict[str, bytes], send: Send, parameters: dict[str, Any], holds: Check
) -> None:
    with server.client as client:
        response = send(client, photos["dog"], parameters)
        reference = raw(client, photos["dog"], parameters)
    assert response.status_code == reference.status_code == 200
    answer = response.json()
    assert holds(answer["results"][0] if "results" in answer else answer)
    assert comparable(answer) == comparable(reference.json())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"threshold": 1.5}, "threshold: Input should be less than or equal to 1"),
    ({"max_detections": 0}, "max_detections: Input should be greater than or equal to 1"),
    ({"classes": "dog,byciycle"}, "classes: the model has no class 'byciycle'; near names: bicycle"),
    ({"classes": "12"}, "classes: the model has no class '12'"),
    ({"box": "yxyx"}, "box: Input should be 'xyxy'"),
    ({"backend": "tflite"}, "backend: Input should be 'auto'"),
    ({"annotate": "perhaps"}, "annotate: Input should be a valid boolean"),
    ({"timeout_ms": "soon"}, "timeout_ms: Input should be a valid integer"),
    ({"treshold": 0.5}, "'treshold' is not a parameter; did you mean 'threshold'?"),
]


@pytest.mark.parametrize(("parameters", "sentence"), WRONG, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("send", FORMS)
def test_every_form_refuses_a_wrong_parameter_alike(
    server: Server, photos: dict[str, bytes], send: Send, parameters: dict[str, Any], sentence: str
) -> None:
    with server.client as client:
        response = send(client, photos["dog"], parameters)
    assert (response.status_code, response.json()["code"]) == (422, "bad_parameter")
    assert response.json()["error"].startswith(sentence)


@pytest.mark.parametrize("several", ["form", "json"])
def test_several_pictures_are_answered_each_for_itself(server: Server, photos: dict[str, bytes], several: str) -> None:
    broken = photos["dog"][:60_000]
    pictures = [photos["dog"], broken, photos["coffee"], b"GIF89a"]
    with server.client as client:
        if several == "form":
            response = client.post("/detect", files=[("images", picture) for picture in pictures])
        else:
            response = client.post("/detect", json={"images": [text(picture) for picture in pictures]})
        alone = [raw(client, photos[name], {}).json() for name in ("dog", "coffee")]
    assert response.status_code == 200
    results = response.json()["results"]
    assert [item["status"] for item in results] == [200, 422, 200, 415]
    assert [item.get("code") for item in results] == [None, "invalid_image", None, "not_a_jpeg"]
    for item, reference in zip((results[0], results[2]), alone, strict=True):
        assert labels(item) == labels(reference)
        scores = [[found["score"] for found in answer["detections"]] for answer in (item, reference)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_several_pictures_without_one_answer_have_the_first_ones_status(server: Server) -> None:
    with server.client as client:
        response = client.post("/detect", json={"images": [text(b"GIF89a"), "?"]})
    assert response.status_code == 415
    assert response.json()["code"] == "not_a_jpeg"
    assert [item["status"] for item in response.json()["results"]] == [415, 400]


def test_a_caller_who_accepts_a_picture_gets_one_with_boxes(server: Server, photos: dict[str, bytes]) -> None:
    with server.client as client:
        response = client.post("/detect", content=photos["dog"], headers={**WHOLE, "Accept": "image/jpeg"})
    assert response.headers["Content-Type"] == "image/jpeg"
    before, after = (PIL.Image.open(io.BytesIO(data)).convert("RGB") for data in (photos["dog"], response.content))
    assert before.size == after.size
    edge, inside = (132, 400), (450, 300)  # on the dog's left edge; where nothing is drawn
    assert distance(before.getpixel(edge), after.getpixel(edge)) > 60
    assert distance(before.getpixel(inside), after.getpixel(inside)) < 30


def distance(a: Any, b: Any) -> int:
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("where", ["header", "parameter"])
def test_a_request_that_can_not_be_in_time_is_504(server: Server, photos: dict[str, bytes], where: str) -> None:
    headers = {"X-Request-Timeout-Ms": "1"} if where == "header" else {}
    parameters = {} if where == "header" else {"timeout_ms": 1}
    with server.client as client:
        response = client.post("/detect", content=photos["dog"], headers=headers, params=parameters)
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
    assert response.json()["error"] == "there was no answer within 0.001 s"
    assert int(response.headers["Retry-After"]) >= 1
