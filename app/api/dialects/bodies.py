"""Bodies of /detect: a raw JPEG, a form with files, JSON with base64; what each picture is, or why it is none.

Reading costs time and memory by the pictures' bytes alone: all else is limited before anything is built of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.dialects import forms, json_bodies
from app.api.dialects.steps import Steps
from app.errors import NotAJpeg, ServiceError

# curl sends a file as a form unless told otherwise; what begins like a JPEG file is taken as one.
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Body:
    """The pictures of a request; one that can't be read is its own error."""

    pictures: Sequence[bytes | ServiceError]
    several: bool  # answered as a list
    fields: Mapping[str, Any] = field(default_factory=dict)  # parameters in the body


async def read(request: Request, headers: Mapping[str, str], steps: Steps) -> Body:
    """The body in the form that its Content-Type says; BadRequest or NotAJpeg if it can't be read at all."""
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise NotAJpeg("compressed bodies are not taken: send it without Content-Encoding")
    if kind == "multipart/form-data":
        form = await forms.read(content_type, await _whole(request), steps)
        return Body(form.files, several=len(form.files) > 1, fields=form.fields)
    if kind == "application/json":
        found = await json_bodies.read(await _whole(request), steps)
        return Body(found.pictures, several=found.several, fields=found.fields)
    if kind.startswith("image/") or kind in _RAW:
        return Body([await _whole(request)], several=False)
    raise NotAJpeg(f"{kind[:60]!r} is not taken: send image/jpeg, multipart/form-data or application/json")


async def _whole(request: Request) -> bytes:
    """All of the body: as it came if that was in one piece, else without the second copy that joining would make."""
    message = await _next(request)
    if not message["more_body"]:
        return bytes(message["body"])
    body = BytesIO()
    body.write(message["body"])
    while message["more_body"]:
        message = await _next(request)
        body.write(message["body"])
    return body.getvalue()


async def _next(request: Request) -> Message:
    """The next piece of the body; ClientDisconnect if the client leaves before its end."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return {"body": message.get("body", b""), "more_body": message.get("more_body", False)}
