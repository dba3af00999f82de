"""What the routes that find objects in a model named by the path have in common, in every protocol."""

from typing import Any

from fastapi import Response

from app.api import parameter_schemas
from app.api.dialects.examples import protocol_errors
from app.api.straight import StraightRoute


def posted(body: dict[str, Any]) -> dict[str, Any]:
    """Arguments for FastAPI's `add_api_route`; `body` is what OpenAPI says of the request's."""
    return {
        "methods": ["POST"],
        "response_class": Response,
        "responses": protocol_errors(400, 404, 413, 415, 422, 429, 500, 503, 504),
        "openapi_extra": {"requestBody": body, "parameters": parameter_schemas.in_path("name")},
        "route_class_override": StraightRoute,
    }
