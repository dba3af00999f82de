"""The real model behind real HTTP finds what a person sees."""

import pytest

from benchmarks.serving import Server
from tests.support.iou import best_iou, expected

pytestmark = pytest.mark.tensorflow

WANTED = {"astronaut": {"person"}, "chelsea": {"cat"}, "coffee": {"cup"}, "dog": {"dog", "bicycle"}}


@pytest.mark.parametrize("backend", ["auto", "native", "frozen"])
@pytest.mark.parametrize("photo", WANTED)
def test_finds_the_objects_drawn_by_hand(server: Server, photos: dict[str, bytes], photo: str, backend: str) -> None:
    answer = server.detect(photos[photo], backend=backend).json()
    ious = {label: best_iou(answer, label, box) for label, box in expected(photo) if label in WANTED[photo]}
    assert ious.keys() == WANTED[photo]
    assert min(ious.values()) >= 0.5


def test_auto_answers_with_native_and_says_so(server: Server, photos: dict[str, bytes]) -> None:
    response = server.detect(photos["dog"])
    assert response.headers["X-Backend"] == response.json()["backend"] == "native"


def test_each_backend_fills_its_own_histogram(server: Server, photos: dict[str, bytes]) -> None:
    def observed(backend: str) -> float:
        return server.metric("detector_stage_duration_seconds_count", stage="infer", backend=backend, role="serving")

    before = observed("native"), observed("frozen")
    for backend in ("native", "frozen", "frozen"):
        assert server.detect(photos["coffee"], backend=backend).status_code == 200
    assert (observed("native"), observed("frozen")) == (before[0] + 1, before[1] + 2)


def test_threshold_and_max_detections_hold(server: Server, photos: dict[str, bytes]) -> None:
    many = server.detect(photos["dog"], threshold=0.05).json()
    few = server.detect(photos["dog"], threshold=0.8, max_detections=1).json()
    assert many["count"] > 5
    assert [item["label"] for item in few["detections"]] == ["dog"]
    assert few["detections"][0] == many["detections"][0]


def test_trt_says_in_a_sentence_why_it_is_off(server: Server, photos: dict[str, bytes]) -> None:
    response = server.detect(photos["dog"], backend="trt")
    assert response.status_code == 503
    assert response.json()["code"] == "backend_unavailable"
    assert "libnvinfer.so.8 was not found" in response.json()["error"]
    assert "libnvinfer.so.8 was not found" in server.model()["backends"]["trt"]["reason"]
    assert server.model()["backends"]["trt"]["state"] == "unavailable"


def test_a_broken_jpeg_is_refused_beside_good_ones(server: Server, photos: dict[str, bytes]) -> None:
    cut = server.detect(photos["dog"][:50_000])
    assert (cut.status_code, cut.json()["code"]) == (422, "invalid_image")
    assert server.detect(photos["dog"]).status_code == 200


def test_a_file_whose_end_is_missing_is_refused_though_pillow_reads_it(
    server: Server, photos: dict[str, bytes]
) -> None:
    response = server.detect(photos["coffee"][:-2] + bytes(2))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_image")
