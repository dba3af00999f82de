"""Requests that are odd and say clearly what they mean: they are taken."""

import base64
import gzip
from typing import Any

import pytest

from tests.app.api.conftest import Api, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
TEXT = base64.b64encode(PHOTO).decode()
B64 = {"b64": TEXT}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
FILE = (b'name="image"; filename="a.jpg"', PHOTO)
UNCHOSEN = (b'name="mask"; filename=""\r\nContent-Type: application/octet-stream', b"")
PREDICT, INFER, FACES = "/v1/models/street_signs:predict", "/v2/models/street_signs/infer", "/models/street_signs"
NOTHING = dict.fromkeys(("threshold", "max_detections", "classes", "box", "backend", "annotate", "timeout_ms"))


def form(*parts: tuple[bytes, bytes]) -> bytes:
    written = [b"--b\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + body + b"\r\n" for head, body in parts]
    return b"".join([*written, b"--b--\r\n"])


@pytest.mark.parametrize("parts", [(FILE, UNCHOSEN), (UNCHOSEN, FILE)])
async def test_a_file_that_nobody_chose_is_none(parts: tuple[tuple[bytes, bytes], ...], shared: Api) -> None:
    response = await shared.client.post("/detect", content=form(*parts), headers=FORM)
    assert (response.status_code, response.json()["count"]) == (200, 1)
    response = await shared.client.post("/v1/vision/detection", content=form(*parts), headers=FORM)
    assert (response.status_code, response.json()["success"]) == (200, True)


async def test_a_form_with_no_file_chosen_has_none(shared: Api) -> None:
    response = await shared.client.post("/detect", content=form(UNCHOSEN), headers=FORM)
    assert "the form has no file" in assert_is_error(response, 400, "bad_request")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'name="image";\r\n\tfilename="a.jpg"', "a.jpg"),
        (b'\r\n name="image";\r\n filename="a.jpg"', "a.jpg"),
        (b"name=image; filename*=ISO-8859-1'en'caf%E9.jpg", "caf\u00e9.jpg"),
        (b"name=image; filename*=utf-8''caf%C3%A9.jpg", "caf\u00e9.jpg"),
        (b"name=image; filename*=''a.jpg", "a.jpg"),
        (b"name=image; filename*=koi8-r''%F0.jpg", "\ufffd.jpg"),
    ],
)
async def test_a_parts_name_is_read_as_it_is_written(head: bytes, name: str, shared: Api) -> None:
    body = form((head, b"no picture"), FILE)
    results = (await shared.client.post("/detect", content=body, headers=FORM)).json()["results"]
    assert [each["file"] for each in results] == [name, "a.jpg"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/detect", {"image": TEXT, **NOTHING}),
        ("/detect", {"image": TEXT, "images": None}),
        ("/detect", {"image": None, "images": [TEXT]}),
        ("/v1/vision/detection", {"image": TEXT, "min_confidence": None}),
        (FACES, {"inputs": TEXT, "parameters": {"threshold": None}}),
        (PREDICT, {"instances": [B64], "inputs": None, "signature_name": None, "parameters": None}),
        (PREDICT, {"instances": [[B64]]}),
        (PREDICT, {"instances": [{"image_bytes": [B64]}]}),
        (PREDICT, {"inputs": B64}),
        (PREDICT, {"inputs": {"image_bytes": B64}}),
        (PREDICT, {"inputs": TEXT}),
        (PREDICT, {"inputs": {"image_bytes": [[B64]]}, "instances": None}),
    ],
)
async def test_what_is_null_is_not_given_and_one_picture_may_stand_alone(
    path: str, body: dict[str, Any], shared: Api
) -> None:
    response = await shared.client.post(path, json=body)
    assert response.status_code == 200, response.text


async def test_a_column_of_one_is_answered_as_a_column(shared: Api) -> None:
    outputs = (await shared.client.post(PREDICT, json={"inputs": B64, "instances": None})).json()["outputs"]
    assert outputs["num_detections"] == [2]


async def test_null_is_no_value_of_an_unknown_parameter(shared: Api) -> None:
    response = await shared.client.post("/detect", json={"image": TEXT, "theirs": None})
    assert "'theirs' is not a parameter" in assert_is_error(response, 422, "bad_parameter")


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\xef\xbb\xbf \r\n", b" \n" * 150])
@pytest.mark.parametrize(("path", "name"), [("/detect", "image"), (FACES, "inputs")])
async def test_what_stands_before_json_does_not_hide_it(before: bytes, path: str, name: str, shared: Api) -> None:
    response = await shared.client.post(path, content=before + b'{"%s": "%s"}' % (name.encode(), TEXT.encode()))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "encodings", [["gzip, identity"], ["identity", "gzip"], ["identity,GZIP"], ["gzip", "utf-8"], [", gzip"]]
)
@pytest.mark.parametrize("path", ["/detect", FACES])
async def test_names_of_no_encoding_are_passed_over(encodings: list[str], path: str, shared: Api) -> None:
    headers = [("Content-Encoding", each) for each in encodings]
    response = await shared.client.post(path, content=gzip.compress(PHOTO), headers=headers)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "none", "8bit"])
async def test_json_that_is_called_encoded_and_is_not_is_read(encoding: str, shared: Api) -> None:
    response = await shared.client.post("/detect", json={"image": TEXT}, headers={"Content-Encoding": encoding})
    assert response.status_code == 200, response.text


async def test_several_encodings_are_named_together(shared: Api) -> None:
    twice = gzip.compress(gzip.compress(PHOTO))
    headers = [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]
    response = await shared.client.post("/detect", content=twice, headers=headers)
    assert "the Content-Encoding 'gzip, gzip' is not taken" in assert_is_error(response, 415, "not_a_jpeg")


@pytest.mark.parametrize("size", [1, 100, 1_000])
async def test_a_gzip_file_may_have_several_members(size: int, shared: Api) -> None:
    long = PHOTO + bytes(10_000)
    members = b"".join(gzip.compress(long[at : at + size]) for at in range(0, 900 * size, size))
    rest = gzip.compress(long[900 * size :])
    response = await shared.client.post("/detect", content=members + rest, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200, response.text


async def test_but_not_any_number_of_them(shared: Api) -> None:
    many = gzip.compress(b"") * 1_001
    response = await shared.client.post("/detect", content=many, headers={"Content-Encoding": "gzip"})
    assert "more than 1,000 members" in assert_is_error(response, 400, "bad_request")


async def test_a_body_may_be_the_only_element_of_the_only_input(shared: Api) -> None:
    """Triton's raw binary request."""
    headers = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}
    response = await shared.client.post(INFER, content=PHOTO, headers=headers, params={"threshold": 0.5})
    (count,) = [each["data"] for each in response.json()["outputs"] if each["name"] == "num_detections"]
    assert count == [1]
    assert_is_error(await shared.client.post(INFER, content=b"GIF89a", headers=headers), 415, "not_a_jpeg")
    assert_is_error(await shared.client.post(INFER, content=b"", headers=headers), 400, "bad_request")
