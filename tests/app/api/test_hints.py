"""What is wrong with a request is said in words that lead to what is right."""

import base64
import gzip
import json
from typing import Any

import httpx
import pytest

from tests.app.api.conftest import Api, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
LARGE = PHOTO + bytes(70_000)
TEXT = base64.b64encode(PHOTO).decode()
LONG = base64.b64encode(LARGE).decode()
FORM = "multipart/form-data; boundary=b"
PREDICT, INFER, FACES = "/v1/models/street_signs:predict", "/v2/models/street_signs/infer", "/models/street_signs"
DISPOSITION = b'Content-Disposition: form-data; name="image"; filename="a.jpg"'
WHOLE = b"--b\r\n" + DISPOSITION + b"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n"
JSON = {"image": LONG}


async def post(api: Api, path: str, content: bytes, kind: str, **headers: str) -> httpx.Response:
    return await api.client.post(path, content=content, headers={"Content-Type": kind, **headers})


@pytest.mark.parametrize(
    "form",
    [
        b"--b\n" + DISPOSITION + b"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n",
        b"--b\n" + DISPOSITION + b"\n\n" + PHOTO + b"\r\n--b--\r\n",
        b"--b\r\n" + DISPOSITION + b"\n\n" + PHOTO + b"\r\n--b--\r\n",
        b"--b\r\n" + DISPOSITION + b"\r\n\r\n" + PHOTO + b"\r\n--b\n" + DISPOSITION + b"\r\n\r\n\r\n--b--\r\n",
        b"text\r\n--b\n" + DISPOSITION + b"\r\n\r\n" + PHOTO + b"\r\n--b--\r\n",
    ],
    ids=["first line", "header and first line", "header", "second part", "behind a preamble"],
)
async def test_one_line_of_a_form_that_ends_with_lf_alone_is_told(form: bytes, shared: Api) -> None:
    sentence = assert_is_error(await post(shared, "/detect", form, FORM), 400, "bad_request")
    assert "its lines end with LF alone" in sentence


@pytest.mark.parametrize("path", ["/detect", FACES])
@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (WHOLE, "image/jpeg", "it is a form, which Content-Type has to say with its boundary"),
        (WHOLE, "", "it is a form, which Content-Type has to say with its boundary"),
        (TEXT.encode(), "image/jpeg", "it is one in base64"),
        (f"data:image/jpeg;base64,{TEXT}".encode(), "text/plain", "it is a data: URI"),
        (f"image={TEXT}".encode(), "application/x-www-form-urlencoded", "not a JPEG file but a form of texts"),
        (b"https://example.com/a.jpg", "text/plain", "it is a URL, and pictures are not fetched"),
        (gzip.compress(PHOTO), "image/jpeg", "it is in gzip, which Content-Encoding has to say"),
        (jpegs.other_format("PNG"), "image/jpeg", "it is a PNG file"),
    ],
)
async def test_what_comes_in_a_pictures_place_is_named(
    body: bytes, kind: str, says: str, path: str, shared: Api
) -> None:
    assert says in assert_is_error(await post(shared, path, body, kind), 415, "not_a_jpeg")


async def test_json_that_is_called_a_picture_is_named(shared: Api) -> None:
    response = await post(shared, "/detect", json.dumps({"image": TEXT}).encode(), "image/jpeg")
    assert "it is JSON, which Content-Type has to say" in assert_is_error(response, 415, "not_a_jpeg")


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (LARGE, "it is a JPEG file, which goes into the JSON as base64"),
        (PHOTO, "it is a JPEG file, which goes into the JSON as base64"),
        (json.dumps(JSON).encode("utf-16"), "in UTF-8: it is in UTF-16 or UTF-32"),
        (json.dumps(JSON).encode("utf-16-le"), "in UTF-8: it is in UTF-16 or UTF-32"),
        (str(JSON).encode(), "the body is not valid JSON"),
        (LONG.encode(), "the body is not valid JSON"),
        (b"", "it is empty"),
    ],
)
async def test_what_comes_in_the_place_of_json_is_named(path: str, body: bytes, says: str, shared: Api) -> None:
    sentence = assert_is_error(await post(shared, path, body, "application/json"), 400, "bad_request")
    assert sentence.startswith("the body is not valid JSON")
    assert says in sentence


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/detect", {"image": [LONG]}, "not a string of base64"),
        ("/detect", {"image": {"data": LONG}}, "not a string of base64"),
        ("/detect", {"images": [{"data": LONG}]}, "not a string of base64"),
        ("/detect", {"image": "HTTP://example.com/a.jpg"}, "is a URL, and pictures are not fetched"),
        (FACES, {"inputs": [LONG]}, "not a string of base64"),
        (FACES, {"inputs": {"image": LONG}}, "not a string of base64"),
        (PREDICT, {"instances": [{"b64": {"b64": LONG}}]}, "not a string of base64"),
        (
            INFER,
            {"inputs": [{"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": [[[LONG]]]}]},
            "not a string of base64",
        ),
    ],
)
async def test_a_picture_in_a_wrong_place_is_the_pictures_error(
    path: str, body: dict[str, Any], says: str, shared: Api
) -> None:
    assert says in assert_is_error(await shared.client.post(path, json=body), 400, "bad_request")


@pytest.mark.parametrize("path", ["/", "/healthz", "/model", "/v2/models/street_signs", "/openapi.json", "/samples"])
@pytest.mark.parametrize("content", [LARGE, LARGE * 400], ids=["one", "many"])
async def test_a_picture_at_a_path_that_takes_none_is_told_the_method(path: str, content: bytes, shared: Api) -> None:
    for encoding in ("", "gzip"):
        response = await post(shared, path, content, "image/jpeg", **{"Content-Encoding": encoding})
        assert_is_error(response, 405, "method_not_allowed")
        assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


async def test_where_pictures_are_taken_one_that_is_too_large_is_told_so(shared: Api) -> None:
    assert (await shared.client.post("/v1/models/street_signs:predict", content=bytes(21_000_000))).status_code == 413


@pytest.mark.parametrize("version", ["", "/versions/1"])
async def test_tensorflow_servings_other_methods_are_named(version: str, shared: Api) -> None:
    path = f"/v1/models/street_signs{version}"
    for verb in ("classify", "regress"):
        response = await post(shared, f"{path}:{verb}", LARGE, "application/json")
        assert "only :predict is served here" in assert_is_error(response, 404, "not_found")
    response = await shared.client.get(f"{path}:predict")
    assert ":predict is asked for by POST" in assert_is_error(response, 404, "not_found")


async def test_near_names_do_not_depend_on_capitals(shared: Api) -> None:
    response = await shared.detect(PHOTO, THRESHOLD=0.5)
    assert "did you mean 'threshold'?" in assert_is_error(response, 422, "bad_parameter")
