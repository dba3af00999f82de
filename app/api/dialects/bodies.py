"""Bodies of /detect: a raw JPEG, a form with files, JSON with base64; what each picture is, or why it is none.

Reading costs time and memory by the pictures' bytes alone: all else is limited before anything is built of it.
"""

import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.dialects import forms, json_bodies
from app.api.dialects.steps import Steps
from app.api.packed import encoding
from app.errors import InvalidImage, NotAJpeg, ServiceError
from converter.model.jpeg_segments import BEGINNING

# Kinds that say nothing: curl and stores send them whatever the file is.
_ANY = ("", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream")
_JSON = ("application/json", "text/json")
_MAYBE_JSON = (*_ANY, "text/plain")
_FORM = "application/x-www-form-urlencoded"
_MARGIN_BYTES = 2_000  # a JPEG file of so many bytes has line ends among them
_PEEKED_BYTES = 1_000
_FIELD = re.compile(rb"[A-Za-z][\w.%-]{0,40}=")  # how a form begins that is application/x-www-form-urlencoded


class Body(NamedTuple):
    """The pictures of a request; one that can't be read is its own error."""

    pictures: Sequence[bytes | ServiceError]
    several: bool  # answered as a list
    fields: Mapping[str, Any] = {}  # parameters in the body
    names: Sequence[str | None] = ()  # of the files, where a form names them


async def read(request: Request, headers: Mapping[str, str], steps: Steps) -> Body:
    """The body in the form that its first bytes or its Content-Type say; BadRequest or NotAJpeg if it can't be read.

    What begins like a JPEG file is one, whatever the headers call it.
    """
    kind, body = _kind(headers), await whole(request)
    if body.startswith(BEGINNING):
        return Body([picture(body, headers)], several=False)
    if kind == "multipart/form-data":
        form = await forms.read(headers["content-type"], body, steps)
        return Body(form.files, several=len(form.files) > 1, fields=form.fields, names=form.names)
    if _is_json(kind, body):
        found = await json_bodies.read(body, steps)
        return Body(found.pictures, several=found.several, fields=found.fields)
    if kind.startswith("image/") or kind in _MAYBE_JSON:
        return Body([picture(body, headers)], several=False)
    raise NotAJpeg(f"{kind[:60]!r} is not taken: send image/jpeg, multipart/form-data or application/json")


def _unpacked(body: bytes, request: Request) -> bytes:
    """The body; NotAJpeg if it is packed in a way that nobody could unpack, see `app.api.packed`."""
    if body.startswith(BEGINNING) or not (packed := encoding(request.scope["headers"])):
        return body
    raise NotAJpeg(f"the Content-Encoding {packed[:60]!r} is not taken: send gzip, deflate or none")


def _is_json(kind: str, body: bytes) -> bool:
    if kind in _MAYBE_JSON:
        return begins_as_object(body)
    return kind in _JSON or kind.endswith("+json")


def begins_as_object(body: bytes) -> bool:
    """Whether this can be nothing but JSON."""
    return body[:_PEEKED_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def picture(body: bytes, headers: Mapping[str, str]) -> bytes | ServiceError:
    """A body that is one picture; the error for a form of texts, or one of which `curl -d @file` has left too little.

    That takes out line ends, which each file has.
    """
    if _kind(headers) != _FORM:
        return body
    if _FIELD.match(body):
        return NotAJpeg("the body is not a JPEG file but a form of texts: send multipart/form-data with it as a file")
    if not body.startswith(BEGINNING):
        return body
    if len(body) < _MARGIN_BYTES or b"\n" in body or b"\r" in body:
        return body
    return InvalidImage(
        "the JPEG file has lost all line ends on its way: curl -d does that; send it by --data-binary @file"
    )


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request) -> bytes:
    """All of the body: as it came if that was in one piece, else without the second copy that joining would make.

    NotAJpeg if it is packed in a way that is not taken.
    """
    message = await _next(request)
    if not message.get("more_body"):
        return _unpacked(bytes(message.get("body", b"")), request)
    body = BytesIO()
    body.write(message.get("body", b""))
    while message.get("more_body"):
        message = await _next(request)
        body.write(message.get("body", b""))
    return _unpacked(body.getvalue(), request)


async def _next(request: Request) -> Message:
    """The next piece of the body; ClientDisconnect if the client leaves before its end."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message
