"""What the OpenAPI page shows of /detect: its bodies and answers, with examples that can be run as they are."""

import base64
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import PIL.Image

from app.api import parameter_schemas
from app.api.errors import described
from app.api.schemas import DetectAnswer, SeveralAnswer

_SIDE = 128  # pixels of the example's longer side: small enough for a page
_BINARY = {"type": "string", "format": "binary"}
_MODEL = {"name": "yolox_nano", "version": "1"}
_PICTURE: dict[str, Any] = {
    "backend": "native",
    "image": {"width": 128, "height": 85, "orientation": 1, "applied_orientation": 1},
    "detections": [
        {
            "class_id": 47,
            "label": "cup",
            "score": 0.80053,
            "box": {"xmin": 33.08, "ymin": 2.91, "xmax": 91.44, "ymax": 79.27},
        }
    ],
    "count": 1,
    "batch_size": 1,
    "timing_ms": {"queue": 0.1, "infer": 24.8, "total": 25.6},
}
_BOTH: dict[str, Any] = {
    **_PICTURE,
    "copy": {
        "backend": "onnx",
        "detections": [
            {
                "class_id": 47,
                "label": "cup",
                "score": 0.79871,
                "box": {"xmin": 33.1, "ymin": 2.88, "xmax": 91.41, "ymax": 79.3},
            }
        ],
        "count": 1,
        "batch_size": 1,
        "timing_ms": {"queue": 0.1, "infer": 15.2, "decode": 0.6, "total": 41.3},
    },
    "comparison": {
        "copy": "onnx",
        "native_ms": 24.8,
        "copy_ms": 15.2,
        "agree": True,
        "matched": 1,
        "missing": 0,
        "extra": 0,
        "class_flips": 0,
        "mean_iou": 0.9984,
        "largest_score_diff": 0.0018,
        "reason": "",
        "pairs": [{"kind": "matched", "native": 0, "copy": 0, "iou": 0.9984, "score_diff": 0.00182}],
    },
}
_FAILED = {"status": 422, "error": "the JPEG file can't be decoded: it is damaged or cut off", "code": "invalid_image"}
_ERRORS: dict[int, tuple[str, list[tuple[str, str]]]] = {
    404: ("There is no such model, or no such version of it.", [("not_found", "there is no model 'resnet'")]),
    400: (
        "The body is empty, or can't be read as what it says it is.",
        [("bad_request", "the body is not valid JSON")],
    ),
    401: ("A token is needed (where DETECTOR_TOKEN is set).", [("unauthorized", "this needs a token, sent as …")]),
    403: ("The token is wrong.", [("forbidden", "the token is wrong")]),
    413: (
        "The body or the picture is over its limit.",
        [
            ("body_too_large", "the body is larger than the limit of 20,000,000 bytes"),
            ("image_too_large", "the picture has 13000 x 13000 pixels; the limit is 25,000,000 pixels"),
        ],
    ),
    415: (
        "The body is not a JPEG file.",
        [("not_a_jpeg", "the body is not a JPEG file: it does not begin with ff d8 ff")],
    ),
    422: (
        "The picture can't be decoded, or a parameter is wrong.",
        [
            ("invalid_image", "the JPEG file can't be decoded: it is damaged or cut off"),
            ("bad_parameter", "classes: the model has no class 'dgo'; near names: dog"),
            ("not_alike", "this copy can't decode the JPEG file as native does: the file is of a rare kind"),
            ("crashed_the_model", "two workers crashed while they worked on this picture; it is not tried again"),
        ],
    ),
    429: (
        "The queue is full; `Retry-After` says when to come back.",
        [("overloaded", "64 pictures are waiting already")],
    ),
    500: ("The model failed on a good picture.", [("model_failed", "the model failed on this picture")]),
    503: ("The backend can't answer.", [("backend_unavailable", "the backend 'trt' is unavailable: no_gpu: …")]),
    504: ("The answer did not come in time.", [("deadline_exceeded", "there was no answer within 0.2 s")]),
}


@cache
def sample() -> str:
    """A small picture of a cup of coffee, as base64."""
    out = BytesIO()
    with PIL.Image.open(str(files("converter") / "photos" / "coffee.jpg")) as picture:
        picture.thumbnail((_SIDE, _SIDE))
        picture.save(out, "JPEG", quality=80)
    return base64.b64encode(out.getvalue()).decode()


def detect_body() -> dict[str, Any]:
    """The requestBody of /detect."""
    files = {"type": "array", "items": _BINARY, "description": "One picture or several; any name of a field will do."}
    encoded = {"images": {"type": "array", "items": _base64()}}
    return {
        "required": True,
        "description": "One picture as it is, one or more files in a form, or base64 in JSON.",
        "content": {
            "image/jpeg": {"schema": _BINARY},
            # What generators of clients know how to send.
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {"schema": _object({"images": files}, "DetectForm", required=["images"])},
            "application/json": {
                "schema": _object({"image": _base64(), **encoded}, "DetectJson", required=[]),
                "examples": {
                    "one picture": {"value": {"image": sample(), "threshold": 0.3}},
                    "several, each for itself": {"value": {"images": [sample(), sample()[:1000]], "box": "xywh"}},
                },
            },
        },
    }


def detect_responses() -> dict[int | str, dict[str, Any]]:
    """The responses of /detect, each with its examples."""
    one = {"id": "9f1c2a", "model": _MODEL, **_PICTURE}
    several = {"id": "9f1c2a", "model": _MODEL, "results": [{"status": 200, **_PICTURE}, _FAILED]}
    both = {"id": "9f1c2a", "model": _MODEL, **_BOTH}
    examples = {
        "one picture": {"value": one},
        "several, each for itself": {"value": several},
        "native and a copy, compared": {"value": both},
    }
    answers: dict[int | str, dict[str, Any]] = {
        200: {
            "model": DetectAnswer | SeveralAnswer,
            "description": "The objects; with `Accept: image/jpeg` the picture with its boxes drawn.",
            "content": {"application/json": {"examples": examples}, "image/jpeg": {"schema": _BINARY}},
        }
    }
    for status, (text, errors) in _ERRORS.items():
        if status == 404:
            continue
        bodies = ({"error": sentence, "code": code, "request_id": "9f1c2a"} for code, sentence in errors)
        cases = {body["code"]: {"value": body} for body in bodies}
        told = described({status: text})[status]
        answers[status] = {**told, "content": {"application/json": {"examples": cases}}}
    return answers


def protocol_errors(*statuses: int, token: bool = True) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of another protocol's route, and whether it needs the token."""
    return described({status: _ERRORS[status][0] for status in (*((401, 403) if token else ()), *statuses)})


def _object(own: dict[str, Any], title: str, *, required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": title,
        "properties": {**own, **parameter_schemas.in_body()},
        "required": required,
    }


def _base64() -> dict[str, Any]:
    return {"type": "string", "description": "Base64 of a JPEG file, also as a `data:` URI."}
