"""A protocol of its own: one file, here this one, and one line where it is listed; it is answered like any other."""

import base64
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request

from app.api.dialects import dialects
from app.api.parameters import Parameters
from app.api.pipeline import Asked, Pipeline, answers_in
from tests.app.api.conftest import Api, assert_is_error
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
TEXT = base64.b64encode(PHOTO).decode()
TENSOR = {"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
SAID = {"parameters": {"threshold": 0.4}}


def routes(pipeline: Pipeline) -> APIRouter:
    """It takes a JPEG file and answers the ids of the classes that were found in it."""
    router = APIRouter()

    @router.post("/classes")
    async def classes(request: Request) -> list[int]:
        body = await request.body()
        async with pipeline.answering(request, Asked([body], Parameters(threshold=0.1))) as answered:
            (result,) = answers_in(answered.results)
            return [int(class_id) for class_id in result.detections.classes]

    return router


PROTOCOLS = {**dialects(), "classes": routes}  # the line


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    async with compared(saved_model, protocols=PROTOCOLS, token="sesame") as made:
        yield made


async def ask(server: Compared, token: str) -> tuple[int, Any]:
    response = await server.client.post("/classes", content=PHOTO, headers={"Authorization": token})
    return response.status_code, response.json()


async def test_it_is_answered_and_observed_once(server: Compared) -> None:
    assert await ask(server, "Bearer sesame") == (200, [64])
    assert server.counted("images_total", backend="native", role="serving", result="ok") == 1
    for stage in ("validate", "queue", "infer", "encode"):
        assert server.counted("stage_duration_seconds_count", stage=stage, role="serving") == 1
    assert server.counted("request_duration_seconds_count", route="/classes", backend="native", code="200") == 1


async def test_its_pictures_are_compared_in_the_background_like_any_other(server: Compared) -> None:
    await server.open("frozen")
    await ask(server, "Bearer sesame")
    await server.until_counted("compare_pairs_total", 1, copy="frozen", source="shadow")


async def test_it_is_closed_to_who_has_no_token(server: Compared) -> None:
    assert (await ask(server, ""))[0] == 401
    assert (await ask(server, "Bearer wrong"))[0] == 403
    assert server.counted("images_total") == 0


async def test_no_route_needs_a_thread(shared: Api) -> None:
    """FastAPI runs functions in threads, and what routes ask belongs to the event loop."""
    routes: Any
    (routes,) = [layer.kwargs["routes"] for layer in shared.app.user_middleware if "routes" in layer.kwargs]
    in_threads = [route.path for route in routes if not inspect.iscoroutinefunction(route.endpoint)]
    assert (len(routes) > 10, in_threads) == (True, [])


@pytest.mark.parametrize(
    "path", ["/v1/models/street_signs:predict", "/v2/models/street_signs/infer", "/models/street_signs"]
)
async def test_what_can_not_be_unpacked_is_named_in_every_protocol(path: str, shared: Api) -> None:
    response = await shared.client.post(path, content=b"x", headers={"Content-Encoding": "br"})
    assert "the Content-Encoding 'br' is not taken" in assert_is_error(response, 415, "not_a_jpeg")


@pytest.mark.parametrize(
    ("path", "name", "body"),
    [
        ("/v1/models/street_signs:predict", "threshold", {"json": {"instances": [{"b64": TEXT}], **SAID}}),
        ("/v2/models/street_signs/infer", "threshold", {"json": {"inputs": [TENSOR], **SAID}}),
        ("/models/street_signs", "threshold", {"json": {"inputs": TEXT, **SAID}}),
        ("/v1/vision/detection", "min_confidence", {"files": {"a": PHOTO}, "data": {"min_confidence": "0.4"}}),
    ],
)
async def test_every_protocol_reads_the_query_beside_the_body(
    path: str, name: str, body: dict[str, Any], shared: Api
) -> None:
    assert (await shared.client.post(path, params={name: "0.40"}, **body)).status_code == 200
    response = await shared.client.post(path, params={name: "0.5"}, **body)
    assert response.status_code == 422
    assert response.json()["error"].endswith(": the query says '0.5', the body says '0.4'")
