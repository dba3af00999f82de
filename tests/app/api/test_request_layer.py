"""What every answer has: an id, and its duration observed once."""

import asyncio
import re

import pytest

from tests.app.api.conftest import Api
from tests.support.app import jpegs
from tests.support.fakes import until

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
PLAIN = ["a", "r-1", "0f8fad5b-d9cd-469f-a165-70867728950e", "trace:1.2_3", "x" * 64]
HOSTILE = [
    b"",
    b" ",
    b"x" * 65,
    b"two words",
    b"line\nbreak",
    b"a\r\nX-Forged: 1",
    b"<script>",
    b'"quoted"',
    b"caf\xe9",
    b"\xff\x00",
    b"r-1\n",
    b"%0a",
]


@pytest.mark.parametrize("given", PLAIN)
@pytest.mark.parametrize("path", ["/healthz", "/nothing"])
async def test_a_plain_id_is_echoed(given: str, path: str, shared: Api) -> None:
    response = await shared.client.get(path, headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", HOSTILE)
@pytest.mark.parametrize("path", ["/healthz", "/nothing"])
async def test_a_hostile_id_is_replaced(given: bytes, path: str, shared: Api) -> None:
    response = await shared.client.get(path, headers={b"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-Id"])
    assert response.headers.get_list("X-Request-Id") == [response.headers["X-Request-Id"]]


async def test_without_an_id_each_request_gets_one_of_its_own(shared: Api) -> None:
    ids = {(await shared.client.get("/healthz")).headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/healthz", {"route": "/healthz", "code": "200", "backend": "none"}),
        ("GET", "/nothing", {"route": "unmatched", "code": "404", "backend": "none"}),
        ("GET", "/convert/jobs/7", {"route": "unmatched", "code": "403", "backend": "none"}),
        ("POST", "/convert", {"route": "/convert", "code": "403", "backend": "none"}),
        ("GET", "/detect", {"route": "/detect", "code": "405", "backend": "none"}),
        ("POST", "/detect", {"route": "/detect", "code": "400", "backend": "none"}),
        ("POST", "/detect?backend=trt", {"route": "/detect", "code": "400", "backend": "trt"}),
        ("POST", "/detect?backend=magic", {"route": "/detect", "code": "422", "backend": "none"}),
        ("GET", "/openapi.json", {"route": "/openapi.json", "code": "200", "backend": "none"}),
    ],
)
async def test_a_request_is_observed_once_under_its_route(
    method: str, path: str, labels: dict[str, str], api: Api
) -> None:
    await api.client.request(method, path)
    assert await api.metric("detector_request_duration_seconds_count", **labels) == 1
    # Asking for the metrics is a request, too, but observed after its answer.
    assert await api.metric("detector_request_duration_seconds_count") == 2


async def test_a_detection_is_observed_under_the_backend_that_answered(api: Api) -> None:
    await api.detect(PHOTO)
    await api.detect(PHOTO, backend="native")
    labels = {"route": "/detect", "backend": "native", "code": "200"}
    assert await api.metric("detector_request_duration_seconds_count", **labels) == 2


async def test_a_request_that_is_cancelled_is_observed_and_its_picture_counted(api: Api) -> None:
    api.native.open_gate.clear()
    asked = asyncio.create_task(api.detect(PHOTO))
    await until(lambda: len(api.native.batches) == 1)
    asked.cancel()
    await asyncio.wait([asked])
    assert await api.metric("detector_images_total", result="gone") == 1
    assert await api.metric("detector_request_duration_seconds_count", route="/detect", code="499") == 1
    api.native.open_gate.set()
