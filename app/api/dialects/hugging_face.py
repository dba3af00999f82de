"""Hugging Face's object detection: https://huggingface.co/docs/inference-providers/tasks/object-detection."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from app.api import parameters
from app.api.access import TOKEN
from app.api.dialects import answers, bodies, pairs
from app.api.dialects.json_bodies import Reader
from app.api.dialects.named import posted
from app.api.dialects.steps import Steps
from app.api.headers import one_of_each
from app.api.pipeline import Asked, Pipeline
from app.errors import BadRequest, ServiceError

THRESHOLD = 0.5  # that of its own pipeline where none is sent
_BODY = {
    "required": True,
    "content": {
        "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "inputs": {"type": "string", "description": "Base64 of a JPEG file."},
                    "parameters": {"type": "object", "properties": {"threshold": {"type": "number"}}},
                },
            }
        },
    },
}


def routes(pipeline: Pipeline) -> APIRouter:
    """The one route of the task."""
    router = APIRouter(tags=["Hugging Face"], dependencies=[TOKEN])
    steps = Steps()

    async def object_detection(request: Request) -> Response:
        pipeline.serving.model(request.path_params["name"])
        headers = one_of_each(request.scope["headers"])
        picture, said = await _read(await bodies.whole(request), headers, steps)
        query, timeout = pairs.in_query(request), headers.get(parameters.TIMEOUT_HEADER)
        wanted = parameters.of_one_backend(query, said, timeout, threshold=THRESHOLD)
        async with pipeline.answering(request, Asked([picture], wanted)) as answered:
            result = answers.sole(answered.results)
            rows = answers.objects(result, answered.model)
            body = to_json([{"score": each.score, "label": each.label, "box": each.corners} for each in rows])
        return Response(body, headers={"X-Backend": result.backend}, media_type="application/json")

    router.add_api_route(
        "/models/{name}",
        object_detection,
        summary="Find objects as Hugging Face's object detection does",
        **posted(_BODY),
    )
    return router


async def _read(
    body: bytes, headers: Mapping[str, str], steps: Steps
) -> tuple[bytes | ServiceError, Mapping[str, Any]]:
    """The picture and its parameters; the first byte tells which form it is, since clients name no type."""
    if not bodies.begins_as_object(body):
        return bodies.picture(body, headers), {}
    reader = Reader(body, steps)
    data = await reader.parsed()
    if not isinstance(data, dict) or "inputs" not in data:
        raise BadRequest('the JSON must be an object with "inputs": base64 of a JPEG file')
    picture = await reader.picture(data["inputs"])
    reader.check_used([picture])
    return picture, _given(data.get("parameters"))


def _given(said: object) -> Mapping[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise BadRequest('"parameters" must be an object, like {"threshold": 0.5}')
    return {name: value for name, value in said.items() if value is not None}
