"""Bodies of /detect: a raw JPEG, a form with files, JSON with base64; what each picture is, or why it is none.

Reading costs time and memory by the pictures' bytes alone: all else is limited before anything is built of it.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.dialects import forms, json_bodies
from app.api.dialects.steps import Steps
from app.errors import InvalidImage, NotAJpeg, ServiceError
from converter.model.jpeg_segments import BEGINNING

_IN_BASE64 = b"/9j/"  # how a JPEG file begins
# Kinds that say nothing: curl and stores send them whatever the file is.
_ANY = ("", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream")
_JSON = ("application/json", "text/json")
_MAYBE_JSON = (*_ANY, "text/plain")
_FORM = "application/x-www-form-urlencoded"
_MARGIN_BYTES = 2_000  # a JPEG file of so many bytes has line ends among them
_PEEKED_BYTES = 100


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
    kind, body = _kind(headers), await whole(request, headers)
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


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body; NotAJpeg if it is packed in a way that nobody could unpack, see `app.api.packed`."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity") or body.startswith(BEGINNING):
        return body
    raise NotAJpeg(f"the Content-Encoding {encoding[:60]!r} is not taken: send gzip, deflate or none")


def _is_json(kind: str, body: bytes) -> bool:
    if kind in _MAYBE_JSON:
        return body[:_PEEKED_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return kind in _JSON or kind.endswith("+json")


def picture(body: bytes, headers: Mapping[str, str]) -> bytes | ServiceError:
    """A body that is one picture; the error for one that is in base64, or of which `curl -d @file` has left too little.

    That takes out line ends, which each file has.
    """
    if body.startswith(_IN_BASE64):
        return NotAJpeg("the body is a JPEG file in base64: send the file itself, or JSON with it")
    if not body.startswith(BEGINNING) or _kind(headers) != _FORM:
        return body
    if len(body) < _MARGIN_BYTES or b"\n" in body or b"\r" in body:
        return body
    return InvalidImage(
        "the JPEG file has lost all line ends on its way: curl -d does that; send it by --data-binary @file"
    )


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def whole(request: Request, headers: Mapping[str, str]) -> bytes:
    """All of the body: as it came if that was in one piece, else without the second copy that joining would make.

    NotAJpeg if it is packed in a way that is not taken.
    """
    message = await _next(request)
    if not message.get("more_body"):
        return _unpacked(bytes(message.get("body", b"")), headers)
    body = BytesIO()
    body.write(message.get("body", b""))
    while message.get("more_body"):
        message = await _next(request)
        body.write(message.get("body", b""))
    return _unpacked(body.getvalue(), headers)


async def _next(request: Request) -> Message:
    """The next piece of the body; ClientDisconnect if the client leaves before its end."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message
