"""Lying pictures at /detect: seen upright, or as stored where that is asked, and told."""

import base64
from dataclasses import replace
from io import BytesIO
from typing import Any

import PIL.Image
import pytest

from app.api.schemas import DetectAnswer
from converter.model.orientation import QUALITY
from tests.app.api.conftest import Api
from tests.support.app import jpegs
from tests.support.converter import pictures
from tests.support.fakes import found

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


@pytest.mark.parametrize(
    ("wanted", "image"),
    [
        ({}, {"width": 48, "height": 64, "orientation": 6, "applied_orientation": 6}),
        ({"orientation": "upright"}, {"width": 48, "height": 64, "orientation": 6, "applied_orientation": 6}),
        ({"orientation": "stored"}, {"width": 64, "height": 48, "orientation": 6, "applied_orientation": 1}),
    ],
)
async def test_a_lying_picture_is_seen_as_is_asked(wanted: dict[str, str], image: dict[str, Any], api: Api) -> None:
    lying = pictures.oriented(PHOTO, 6)
    response = await api.client.post("/detect", content=lying, params={**wanted, "annotate": "true"})
    body = response.json()
    assert body["image"] == image
    assert body["detections"][0]["box"] == {"xmin": 0, "ymin": 0, "xmax": image["width"], "ymax": image["height"]}
    with PIL.Image.open(BytesIO(base64.b64decode(body["annotated"].partition(",")[2]))) as drawn:
        assert drawn.size == (image["width"], image["height"])
        assert drawn.getexif().get(0x0112) == (None if image["applied_orientation"] == 6 else 6)
    ((seen,),) = api.native.batches
    assert (seen.data, seen.width, seen.applied_orientation) == (lying, image["width"], image["applied_orientation"])


async def test_a_file_that_was_encoded_again_is_told_with_its_quality(api: Api) -> None:
    api.native.answer = lambda image: replace(found(image), encoded_again=True)
    body = (await api.detect(pictures.oriented(PHOTO, 3))).json()
    assert body["image"]["encoded_quality"] == QUALITY
    assert DetectAnswer.model_validate(body).model_dump(exclude_unset=True) == body


async def test_an_orientation_that_is_none_is_refused(api: Api) -> None:
    response = await api.client.post("/detect", content=PHOTO, params={"orientation": "sideways"})
    assert (response.status_code, response.json()["code"]) == (422, "bad_parameter")
