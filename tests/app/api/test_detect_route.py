import asyncio
from typing import Any

import numpy as np
import pytest

from app.api.schemas import DetectAnswer
from app.backends.backend import BatchFailed
from converter.model.detections import Detections
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs
from tests.support.fakes import FakeStarter, until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()


def several(*scores: float) -> Detections:
    count = len(scores)
    boxes = np.array([[1.234567, 2, 30, 40.5]] * count, np.float32)
    return Detections(boxes, np.array(scores, np.float32), np.array([64, 65, 7][:count], np.int32))


async def test_the_answer_has_the_promised_shape(api: Api) -> None:
    api.native.answer = lambda image: several(0.91, 0.6180339, 0.3)
    api.client.headers["X-Request-Id"] = "r-1"
    response = await api.detect(PHOTO)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    timing = body.pop("timing_ms")
    box = {"xmin": 1.23, "ymin": 2, "xmax": 30, "ymax": 40.5}
    assert body == {
        "id": "r-1",
        "model": {"name": "street_signs", "version": "1"},
        "backend": "native",
        "image": {"width": 64, "height": 48, "orientation": None, "applied_orientation": 1},
        "detections": [
            {"class_id": 64, "label": "tram", "score": 0.91, "box": box},
            {"class_id": 65, "label": "traffic light", "score": 0.61803, "box": box},
            {"class_id": 7, "label": "class 7", "score": 0.3, "box": box},
        ],
        "count": 3,
        "batch_size": 1,
    }
    assert set(timing) == {"queue", "infer", "total"}
    assert 0 <= timing["queue"] + timing["infer"] <= timing["total"] + 0.02  # rounded, each


async def test_the_answer_is_what_its_schema_says(api: Api) -> None:
    api.native.answer = lambda image: several(0.91, 0.6180339)
    body = (await api.detect(PHOTO)).json()
    assert DetectAnswer.model_validate(body).model_dump(exclude_unset=True) == body


async def test_headers_tell_the_backend_the_id_and_the_timing(api: Api) -> None:
    response = await api.detect(PHOTO)
    timing = response.json()["timing_ms"]
    assert response.headers["X-Backend"] == "native"
    assert response.headers["X-Request-Id"] == response.json()["id"]
    told = dict(part.strip().split(";dur=") for part in response.headers["Server-Timing"].split(","))
    assert {name: float(value) for name, value in told.items()} == timing


async def test_nothing_found_is_an_empty_list(api: Api) -> None:
    api.native.answer = lambda image: several()
    body = (await api.detect(PHOTO)).json()
    assert (body["detections"], body["count"]) == ([], 0)


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 2),
        ({"threshold": 0}, 3),
        ({"threshold": "0.5"}, 1),
        ({"threshold": 1}, 0),
        ({"max_detections": 1}, 1),
        ({"threshold": 0.1, "max_detections": 1000}, 3),
        ({"backend": "auto"}, 2),
        ({"backend": "native"}, 2),
    ],
)
async def test_parameters_choose_what_is_answered(parameters: dict[str, Any], count: int, shared: Api) -> None:
    shared.native.answer = lambda image: several(0.9, 0.25, 0.2)
    assert (await shared.detect(PHOTO, **parameters)).json()["count"] == count


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", "1.5"),
        ("threshold", "-0.1"),
        ("threshold", "nan"),
        ("threshold", "inf"),
        ("threshold", "high"),
        ("threshold", ""),
        ("max_detections", "0"),
        ("max_detections", "1001"),
        ("max_detections", "2.5"),
        ("max_detections", "9" * 5000),
        ("backend", "magic"),
        ("backend", "Native"),
        ("backend", ""),
        ("backend", "native\r\nX-Forged: 1"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_wrong_parameter_is_named(name: str, value: str, shared: Api) -> None:
    shared.native.batches.clear()
    sentence = assert_is_error(await shared.detect(PHOTO, **{name: value}), 422, "bad_parameter")
    assert sentence.startswith(f"{name}: ")
    assert len(sentence) < 200
    assert not shared.native.batches


BAD_BODIES = {
    "empty": (b"", 400, "bad_request"),
    "text": (b"hello", 415, "not_a_jpeg"),
    "PNG": (jpegs.other_format("PNG"), 415, "not_a_jpeg"),
    "broken header": (jpegs.cut_in_header(PHOTO), 422, "invalid_image"),
    "scans": (jpegs.with_scans(65), 422, "invalid_image"),
    "pixels": (jpegs.with_size(PHOTO, 6000, 6000), 413, "image_too_large"),
    "Pillow's bomb": (jpegs.with_size(PHOTO, 65500, 65500), 413, "image_too_large"),
}


@pytest.mark.parametrize(("data", "status", "code"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize("declared", ["image/jpeg", "image/png", "application/octet-stream"])
async def test_a_body_that_can_not_be_used_is_an_error_whatever_it_is_declared_as(
    data: bytes, status: int, code: str, declared: str, shared: Api
) -> None:
    failures, images = {"reason": code}, {"result": "rejected"}
    before = await shared.metric("detector_failures_total", **failures)
    rejected = await shared.metric("detector_images_total", **images)
    response = await shared.client.post("/detect", content=data, headers={"Content-Type": declared})
    assert_is_error(response, status, code)
    assert await shared.metric("detector_failures_total", **failures) == before + 1
    assert await shared.metric("detector_images_total", **images) == rejected + 1


async def test_a_good_picture_needs_no_content_type(api: Api) -> None:
    assert (await api.client.post("/detect", content=PHOTO)).status_code == 200


@pytest.mark.parametrize("name", ["trt", "frozen"])
async def test_a_backend_that_can_not_answer_is_503_with_the_reason(name: str, api: Api) -> None:
    response = await api.detect(PHOTO, backend=name)
    sentence = assert_is_error(response, 503, "backend_unavailable")
    assert sentence == f"the backend {name!r} is unavailable: it is not among the copies asked for (DETECTOR_COPIES)"
    assert "Retry-After" not in response.headers
    labels = {"route": "/detect", "backend": name, "code": "503"}
    assert await api.metric("detector_request_duration_seconds_count", **labels) == 1


async def test_before_the_model_is_loaded_it_is_503_with_hope(start: Start) -> None:
    starter = FakeStarter()
    starter.open_gate.clear()
    api = await start(starter)
    await until(lambda: len(starter.asked) == 1)
    response = await api.detect(PHOTO)
    assert "'native' is loading" in assert_is_error(response, 503, "backend_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    starter.open_gate.set()
    await api.ready()
    assert (await api.detect(PHOTO)).status_code == 200


async def test_a_full_queue_is_429_with_retry_after(start: Start) -> None:
    api = await start(queue_limit=2)
    await api.ready()
    api.native.open_gate.clear()
    waiting = [asyncio.create_task(api.detect(PHOTO)) for _ in range(4)]
    await until(lambda: len(api.native.batches) == api.native.facts.batches_in_flight)
    await api.until_metric("detector_queue_depth", 2, backend="native")
    response = await api.detect(PHOTO)
    assert "2 pictures are waiting already" in assert_is_error(response, 429, "overloaded")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    api.native.open_gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 4
    assert await api.metric("detector_images_total", result="overloaded") == 1
    assert await api.metric("detector_images_total", result="ok") == 4


async def test_a_deadline_is_504(start: Start) -> None:
    api = await start(timeout_seconds=0.01)
    await api.ready()
    api.native.open_gate.clear()
    assert "0.01 s" in assert_is_error(await api.detect(PHOTO), 504, "deadline_exceeded")


async def test_a_picture_that_does_not_decode_is_422_and_its_neighbours_are_answered(api: Api) -> None:
    cut_off = jpegs.cut(PHOTO, share=0.7)
    api.native.fails = lambda images: (
        BatchFailed("undecodable", "Invalid JPEG data") if any(image.data == cut_off for image in images) else None
    )
    bodies = [PHOTO, cut_off, PHOTO, cut_off, PHOTO, PHOTO]
    responses = await asyncio.gather(*(api.detect(body) for body in bodies))
    assert [response.status_code for response in responses] == [200, 422, 200, 422, 200, 200]
    assert "damaged or cut off" in assert_is_error(responses[1], 422, "invalid_image")


async def test_a_worker_that_dies_is_503_to_who_named_it_and_auto_waits_for_the_next_one(api: Api) -> None:
    dying = api.native
    dying.open_gate.clear()
    asked = [asyncio.create_task(api.detect(PHOTO, backend=backend)) for backend in ("native", "auto")]
    await until(lambda: bool(dying.batches))
    dying.die()
    named, auto = await asyncio.gather(*asked)
    assert "crashed" in assert_is_error(named, 503, "backend_unavailable")
    assert "Retry-After" in named.headers
    assert (auto.status_code, auto.json()["backend"]) == (200, "native")


async def test_a_bug_is_a_500_in_the_one_shape_and_its_words_stay_in_the_log(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(image: object) -> Detections:
        raise ZeroDivisionError("inner words")

    api.native.answer = bug
    response = await api.detect(PHOTO)
    assert "inner words" not in assert_is_error(response, 500, "internal")
    assert "inner words" in caplog.text
    assert response.json()["request_id"] in caplog.text
    assert await api.metric("detector_request_duration_seconds_count", code="500") == 1
