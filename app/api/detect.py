"""POST /detect: a JPEG file in, the objects in it out."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic_core import to_json

from app.api import schemas
from app.api.auth import TOKEN
from app.api.schemas import BackendName, DetectAnswer, ErrorAnswer
from app.models import Model
from app.service import Detector, Result
from app.service import Query as DetectQuery

_ERRORS = {
    400: "The body is empty.",
    413: "The body or the picture is over its limit.",
    415: "The body is not a JPEG file.",
    422: "The picture can't be decoded, or a parameter is wrong.",
    429: "The queue is full; `Retry-After` says when to try again.",
    503: "The backend can't answer; the sentence says why.",
    504: "The answer did not come in time.",
}
_BODY = {
    "required": True,
    "description": "The JPEG file.",
    "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
}


def routes(detector: Detector, model: Model) -> APIRouter:
    """The router of /detect."""
    router = APIRouter(tags=["detection"])

    @router.post(
        "/detect",
        summary="Find the objects in a JPEG picture",
        response_model=DetectAnswer,
        responses={status: {"model": ErrorAnswer, "description": text} for status, text in _ERRORS.items()},
        openapi_extra={"requestBody": _BODY},
        dependencies=[TOKEN],
    )
    async def detect(
        request: Request,
        threshold: Annotated[float, Query(ge=0, le=1, description="Lowest score.")] = 0.25,
        max_detections: Annotated[int, Query(ge=1, le=1000, description="Most objects in the answer.")] = 100,
        backend: Annotated[BackendName, Query(description="Who answers; `auto` is the active backend.")] = "auto",
    ) -> Response:
        request.state.backend = backend if backend != "auto" else "none"
        data = await request.body()
        started = time.perf_counter()
        query = DetectQuery(threshold=threshold, max_detections=max_detections, backend=backend)
        result = await detector.detect(data, query)
        request.state.backend = result.backend
        inferred = time.perf_counter()
        response = _response(request.state.request_id, result, model, started)
        detector.observe(result, encode_s=time.perf_counter() - inferred)
        return response

    return router


def _response(request_id: str, result: Result, model: Model, started: float) -> Response:
    found = schemas.detections(result, model.labels)
    queue, infer, total = _ms(result.queue_s), _ms(result.infer_s), _ms(time.perf_counter() - started)
    answer = {  # a DetectAnswer
        "id": request_id,
        "model": {"name": model.name, "version": model.version},
        "backend": result.backend,
        "image": {"width": result.image.width, "height": result.image.height},
        "detections": found,
        "count": len(found),
        "batch_size": result.batch_size,
        "timing_ms": {"queue": queue, "infer": infer, "total": total},
    }
    timing = f"queue;dur={queue}, infer;dur={infer}, total;dur={total}"
    headers = {"X-Backend": result.backend, "Server-Timing": timing}
    return Response(to_json(answer), headers=headers, media_type="application/json")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
