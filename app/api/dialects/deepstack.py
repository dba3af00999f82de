"""DeepStack's and CodeProject.AI's object detection: https://docs.deepstack.cc/object-detection."""

import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from app.api import parameters
from app.api.access import TOKEN
from app.api.dialects import answers, bodies, pairs
from app.api.dialects.examples import protocol_errors
from app.api.dialects.steps import Steps
from app.api.headers import one_of_each
from app.api.pipeline import Asked, Pipeline
from app.api.straight import StraightRoute
from app.detection.detector import Result
from app.errors import BadRequest
from app.model_folder import Model

MIN_CONFIDENCE = 0.4  # where none is sent
_TAKEN = ("min_confidence", "backend")  # of what is sent; clients send more, like api_key
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "title": "DeepStackForm",
                "required": ["image"],
                "properties": {
                    "image": {"type": "string", "format": "binary"},
                    "min_confidence": {"type": "number", "description": f"Lowest score. Default: `{MIN_CONFIDENCE}`."},
                },
            }
        }
    },
}


class VisionError(BaseModel):
    """The body of an error below /v1/vision."""

    success: bool
    error: str
    code: int = Field(description="The status of the response.")
    request_id: str


def error(status: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an error as these clients read it."""
    return {"success": False, "error": told["error"], "code": status, "request_id": told["request_id"]}


ERRORS = {"/v1/vision/": error}  # the form of all errors below this path


def routes(pipeline: Pipeline) -> APIRouter:
    """The one route of the task."""
    router = APIRouter(tags=["DeepStack"], dependencies=[TOKEN])
    steps = Steps()

    async def vision_detection(request: Request) -> Response:
        started, headers = time.perf_counter(), one_of_each(request.scope["headers"])
        body = await bodies.read(request, headers, steps)
        if body.several:
            raise BadRequest(f"the form has {len(body.pictures)} files; one picture is answered here")
        query, said = (_taken(each) for each in (pairs.in_query(request), body.fields))
        timeout = headers.get(parameters.TIMEOUT_HEADER)
        wanted = parameters.of_one_backend(query, said, timeout, threshold=MIN_CONFIDENCE)
        async with pipeline.answering(request, Asked(body.pictures, wanted)) as answered:
            result = answers.sole(answered.results)
            answer = _answer(result, answered.model, seconds=time.perf_counter() - started)
        return Response(to_json(answer), headers={"X-Backend": result.backend}, media_type="application/json")

    router.add_api_route(
        "/v1/vision/detection",
        vision_detection,
        methods=["POST"],
        summary="Find objects as DeepStack and CodeProject.AI do",
        response_class=Response,
        responses={
            status: {**told, "model": VisionError}
            for status, told in protocol_errors(400, 413, 415, 422, 429, 500, 503, 504).items()
        },
        openapi_extra={"requestBody": _BODY},
        route_class_override=StraightRoute,
    )
    return router


def _taken(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name in _TAKEN}


def _answer(result: Result, model: Model, *, seconds: float) -> dict[str, Any]:
    found = answers.objects(result, model)
    return {
        "success": True,
        "code": 200,
        "message": f"Found {', '.join(each.label for each in found)}"[:200] if found else "No objects found",
        "count": len(found),
        "predictions": [{"confidence": each.score, "label": each.label, **_box(each.corners)} for each in found],
        "inferenceMs": round(1000 * result.infer_s),
        "processMs": round(1000 * seconds),
        "duration": round(seconds, 3),
    }


def _box(corners: Mapping[str, int]) -> dict[str, int]:
    return {f"{name[0]}_{name[1:]}": value for name, value in corners.items()}
