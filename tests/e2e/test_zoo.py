"""Detectors as people have them are served alike, whatever they take and give."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import Server, serving
from tests.support.iou import iou
from tests.support.models.declared import KINDS
from tests.support.zoo import BARE, SURE, corners, environ, odd_photos, zoo

__all__ = ["zoo"]  # a fixture

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]

Answers = list[dict[str, Any]]
SIX = ("astronaut", "camera", "chelsea", "coffee", "dog", "rocket")
PIXELS = {kind for kind in KINDS if kind.startswith(("uint8", "float", "yolo"))}
ONE_AT_A_TIME = {*PIXELS - {"uint8_fixed", "yolo_head"}, "jpeg_one", "retinanet"}
SCALED = "yxyx_scaled"
READ_AS = {  # what the boxes turn out to be, where they are not shares of the picture
    "float_one": "yxyx",
    "float_fixed": "xyxy",
    "jpeg_one": SCALED,
    "jpeg_rows": "xywh",
    "jpeg_keras": "xywh",
    "jpeg_pixels": "yxyx",
    "retinanet": SCALED,
    "yolo_rows": "xyxy",
    "yolo_head": "xyxy",
    "yolo_upright": "xyxy",
}


@pytest.fixture(scope="module")
def six(photos: dict[str, bytes]) -> list[bytes]:
    return [photos[name] for name in SIX]


@pytest.fixture(scope="module")
def expected(six: list[bytes]) -> Answers:
    """What the bundled model itself finds."""
    with serving(BARE) as running:
        running.wait_until_ready()
        return answers(running, six)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, zoo: Path) -> Iterator[tuple[str, Server]]:
    with serving(environ(zoo, request.param)) as running:
        running.wait_until_ready()
        yield request.param, running


def answers(server: Server, pictures: list[bytes]) -> Answers:
    with server.client as client:
        parts = [("image", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(pictures)]
        response = client.post("/detect", files=parts, params={"threshold": SURE, "backend": "native"})
    assert response.status_code == 200, response.text
    results: Answers = response.json()["results"]
    return results


def test_it_finds_what_the_bundled_model_finds(
    kind: tuple[str, Server], six: list[bytes], expected: Answers, photos: dict[str, bytes]
) -> None:
    name, server = kind
    if name not in ONE_AT_A_TIME:
        server.wait_until_settled()
    told = server.model()
    assert told["signature"]["boxes"] == READ_AS.get(name, "yxyx_norm")
    evidence = told["signature"]["boxes_evidence"]
    assert ("too few" if name == "retinanet" else "boxes on 5 photos, mirrored and padded") in evidence
    assert told["backends"]["native"]["batch_sizes"] == ([1] if name in ONE_AT_A_TIME else [1, 8])
    found = answers(server, six)
    if name == "retinanet":  # its weights are its own
        assert all(each["count"] for each in found[:1])
    else:
        assert_same(found, expected)
    assert ("decode" in found_timing(server, photos["dog"])) == (name in PIXELS)
    for odd, picture in odd_photos(photos["dog"]).items():
        assert_answered(server, name, odd, picture)


def found_timing(server: Server, photo: bytes) -> dict[str, float]:
    timing: dict[str, float] = server.detect(photo).json()["timing_ms"]
    assert timing.get("decode", 0) <= timing["infer"]
    return timing


def assert_same(found: Answers, expected: Answers) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        labels = [each["label"] for each in ours["detections"]]
        assert labels == [each["label"] for each in theirs["detections"]]
        for one, other in zip(ours["detections"], theirs["detections"], strict=True):
            assert iou(corners(one), corners(other)) >= 0.98


def assert_answered(server: Server, name: str, odd: str, picture: bytes) -> None:
    """A picture is answered, or refused with a sentence that says what is wrong with it."""
    response = server.detect(picture)
    if name == "old" and odd == "grey":
        assert response.status_code == 422
        assert "the picture is grey, and the model's graph takes pictures of three colours only" in response.text
    else:
        assert response.status_code == 200, (name, odd, response.text)
