"""Errors on the wire: the one table from error to status, and the one body that all of them have."""

import json
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Scope

from app import errors
from app.api.departures import ClientGone
from app.api.discretion import discreet
from app.api.schemas import ErrorAnswer
from app.errors import ServiceError

STATUS: dict[type[ServiceError], int] = {
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.CrossSite: 403,
    errors.NotFound: 404,
    errors.RequestTooSlow: 408,
    errors.ConversionRunning: 409,
    errors.NotLoaded: 409,
    errors.BodyTooLarge: 413,
    errors.ImageTooLarge: 413,
    errors.NotAJpeg: 415,
    errors.WrongHost: 421,
    errors.BadParameter: 422,
    errors.InvalidImage: 422,
    errors.CrashedTheModel: 422,
    errors.NotReproducible: 422,
    errors.Overloaded: 429,
    errors.HeadersTooLarge: 431,
    errors.ModelFailed: 500,
    errors.BackendUnavailable: 503,
    errors.DeadlineExceeded: 504,
}
CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; nobody reads this answer, the metrics count it
_SHOWN = 200  # characters of a path
_PASSING = (429, 503, 504)  # after a while the same request may be answered
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait before trying again.", "schema": {"type": "integer"}}}
_CODES = {404: "not_found", 405: "method_not_allowed"}

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


def answer(
    request_id: str, status: int, code: str, sentence: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The response for one error."""
    body = json.dumps({"error": sentence, "code": code, "request_id": request_id}, ensure_ascii=False)
    # Half of a surrogate pair, which JSON can name and a sentence may quote, is no text that can be sent.
    return Response(body.encode("utf-8", "replace"), status, headers=headers, media_type="application/json")


def error_response(request_id: str, error: ServiceError) -> Response:
    """The response for a ServiceError."""
    headers = {}
    if seconds := retry_after(error):
        headers["Retry-After"] = seconds
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.BodyTooLarge):
        headers["Connection"] = "close"  # the rest of the body is not read
    return answer(request_id, STATUS[type(error)], error.code, discreet(str(error)), headers=headers)


def retry_after(error: ServiceError) -> str | None:
    """The seconds after which trying again may help, whole ones as a header has them; None if it will not."""
    seconds = error.retry_after_s
    return None if seconds is None else str(min(60, max(1, math.ceil(seconds))))


def _not_served(scope: Scope, headers: Mapping[str, str] | None = None) -> str:
    sentence, methods = f"{scope['method']} {scope['path'][:_SHOWN]} is not served here", (headers or {}).get("Allow")
    return f"{sentence}; the path has {methods}" if methods else sentence


def described(errors: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of a route's errors, by status."""
    return {
        status: {"model": ErrorAnswer, "description": text} | ({"headers": _RETRY_AFTER} if status in _PASSING else {})
        for status, text in errors.items()
    }


async def _service(request: Request, error: ServiceError) -> Response:
    return error_response(request.state.request_id, error)


async def _gone(request: Request, error: ClientGone | ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _validation(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    _, *place = first["loc"]  # where in the request; then the names and positions inside it
    if first["type"] == "json_invalid":
        return answer(request.state.request_id, 400, "bad_request", "the body is not valid JSON")
    if first["type"] == "missing" and not place:
        return answer(request.state.request_id, 400, "bad_request", "the body is empty; a JSON object is needed")
    name = next((part for part in place if isinstance(part, str)), "body")
    return answer(request.state.request_id, 422, "bad_parameter", f"{name}: {first['msg']}")


async def _http(request: Request, error: HTTPException) -> Response:
    cause = error.__cause__  # FastAPI wraps what reading the body raises
    if isinstance(cause, ServiceError):
        return await _service(request, cause)
    if isinstance(cause, ClientDisconnect):
        return await _gone(request, cause)
    code, headers = _CODES.get(error.status_code, "bad_request"), _with_head(error.headers)
    sentence = _not_served(request.scope, headers) if code in _CODES.values() else error.detail
    return answer(request.state.request_id, error.status_code, code, sentence, headers=headers)


def _with_head(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """HEAD is allowed wherever GET is, see `app.api.heads`."""
    allowed = (headers or {}).get("Allow", "")
    if "GET" not in allowed or "HEAD" in allowed:
        return headers
    return {**(headers or {}), "Allow": allowed.replace("GET", "GET, HEAD")}


HANDLERS: dict[int | type[Exception], Handler] = {
    ServiceError: _service,
    ClientGone: _gone,
    ClientDisconnect: _gone,  # in the middle of its body
    RequestValidationError: _validation,
    HTTPException: _http,
}


async def handled(request: Request, error: Exception) -> Response:
    """The response for an error that has a handler, by the nearest of its classes; any other is raised again."""
    handler = next((HANDLERS[each] for each in type(error).__mro__ if each in HANDLERS), None)
    if handler is None:
        raise error
    return await handler(request, error)
