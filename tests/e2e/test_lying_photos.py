"""Photos as phones store them: in whatever orientation, the same objects are found, by native and by a copy."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from benchmarks.serving import Server, serving
from tests.support.converter.pictures import lying
from tests.support.iou import best_iou, iou
from tests.support.slower import SLOWER
from tests.support.zoo import corners, environ, zoo

__all__ = ["zoo"]  # a fixture

pytestmark = pytest.mark.tensorflow

ALL = range(1, 9)


@pytest.fixture(scope="module")
def both_server() -> Iterator[Server]:
    environ = {**SLOWER, "DETECTOR_SHADOW_SHARE": "0", "DETECTOR_STARTUP_CONVERSION": "blocking"}
    with serving(
        {**environ, "DETECTOR_COPIES": "onnx", "DETECTOR_MAX_BATCH": "1", "CUDA_VISIBLE_DEVICES": ""}
    ) as running:
        running.wait_until(lambda: running.model()["backends"]["onnx"]["state"] == "standby", within_s=300)
        yield running


def found(answer: dict[str, Any]) -> list[str]:
    return [each["label"] for each in answer["detections"]]


def assert_same(answer: dict[str, Any], upright: dict[str, Any]) -> None:
    assert sorted(found(answer)) == sorted(found(upright))
    for each in upright["detections"]:
        assert best_iou(answer, each["label"], corners(each)) > 0.9


@pytest.mark.parametrize("orientation", ALL)
def test_the_same_objects_are_found_in_all_orientations(
    orientation: int, both_server: Server, photos: dict[str, bytes]
) -> None:
    for name in ("dog", "coffee"):
        upright = both_server.detect(photos[name], backend="native").json()
        body = both_server.detect(lying(photos[name], orientation), backend="both").json()
        size = {side: upright["image"][side] for side in ("width", "height")}
        again = {} if orientation == 1 else {"encoded_quality": 95}
        assert body["image"] == {**size, "orientation": orientation, "applied_orientation": orientation, **again}
        assert_same(body, upright)
        assert_same(body["copy"], upright)
        assert body["comparison"]["agree"]
        assert body["comparison"]["largest_score_diff"] <= 1e-3, "both see the same picture"


def test_as_stored_a_lying_photo_shows_other_things(both_server: Server, photos: dict[str, bytes]) -> None:
    stored = both_server.detect(lying(photos["dog"], 6), orientation="stored", backend="native").json()
    assert (stored["image"]["width"], stored["image"]["applied_orientation"]) == (576, 1)
    assert sorted(found(stored)) != sorted(found(both_server.detect(photos["dog"], backend="native").json()))


def test_what_is_drawn_is_upright(both_server: Server, photos: dict[str, bytes]) -> None:
    with both_server.client as client:
        drawn = client.post("/detect", content=lying(photos["dog"], 6), headers={"Accept": "image/jpeg"}).content
    assert PIL.Image.open(io.BytesIO(drawn)).size == (768, 576)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["uint8_many", "float_fixed", "jpeg_pixels"])
def test_other_kinds_of_models_see_them_upright_too(kind: str, zoo: Path, photos: dict[str, bytes]) -> None:
    with serving(environ(zoo, kind)) as server:
        server.wait_until_ready()
        upright = server.detect(photos["dog"]).json()
        for orientation in (2, 6, 7):
            answer = server.detect(lying(photos["dog"], orientation)).json()
            assert ("encoded_quality" in answer["image"]) == (kind == "jpeg_pixels")
            assert answer["image"]["width"] == 768
            first, other = answer["detections"][0], upright["detections"][0]
            assert first["label"] == other["label"] == "dog"
            assert iou(corners(first), corners(other)) > 0.9
