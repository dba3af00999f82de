"""Bodies of /detect: a raw JPEG, a form with files, JSON with base64; what each picture is, or why it is none."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.errors import BadRequest, NotAJpeg, ServiceError

MAX_PICTURES = 32
_MAX_FIELDS = 20
_SMALL_BYTES = 256_000  # JSON and base64 of more than this (a millisecond) are not for the event loop
# curl sends a file as a form unless told otherwise; what begins like a JPEG file is taken as one.
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Body:
    """The pictures of a request; one that can't be read is its own error."""

    pictures: Sequence[bytes | ServiceError]
    several: bool  # answered as a list
    fields: Mapping[str, Any] = field(default_factory=dict)  # parameters in the body


async def read(request: Request) -> Body:
    """The body in the form that its Content-Type says; BadRequest or NotAJpeg if it can't be read at all."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise NotAJpeg("compressed bodies are not taken: send it without Content-Encoding")
    if kind == "multipart/form-data":
        return await _form(request.headers, request.stream())
    if kind == "application/json":
        body = await request.body()
        return _json(body) if len(body) <= _SMALL_BYTES else await asyncio.to_thread(_json, body)
    if kind.startswith("image/") or kind in _RAW:
        return Body([await request.body()], several=False)
    raise NotAJpeg(f"{kind[:60]!r} is not taken: send image/jpeg, multipart/form-data or application/json")


class _Parser(MultiPartParser):
    """Starlette's parser, but files stay in memory, bounded by the body's limit: it would put large ones on disk."""

    spool_max_size = 1 << 62


async def _form(headers: Headers, stream: AsyncGenerator[bytes, None]) -> Body:
    parser = _Parser(headers, stream, max_files=MAX_PICTURES, max_fields=_MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"the form can't be read: {error.message}") from error
    except (KeyError, ValueError) as error:
        raise BadRequest("the form can't be read: its boundary or a part's header is wrong") from error
    pictures = [await value.read() for _, value in form.multi_items() if isinstance(value, UploadFile)]
    fields = _fields((name, value) for name, value in form.multi_items() if isinstance(value, str))
    await form.close()
    if not pictures:
        raise BadRequest("the form has no file: send the picture as a file, in a field called image for example")
    return Body(pictures, several=len(pictures) > 1, fields=fields)


def _fields(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The last value of each field, but classes add up."""
    fields: dict[str, Any] = {}
    for name, value in items:
        fields[name] = f"{fields[name]},{value}" if name == "classes" and name in fields else value
    return fields


def _json(body: bytes) -> Body:
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not valid JSON") from error
    if not isinstance(data, dict) or ("image" in data) == ("images" in data):
        raise BadRequest('the JSON must be an object with "image" or "images": base64 of a JPEG file, or a list of it')
    if "images" in data:
        return Body(_several(data.pop("images")), several=True, fields=data)
    picture = _decoded(data.pop("image"))
    if isinstance(picture, ServiceError):
        raise picture
    return Body([picture], several=False, fields=data)


def _several(encoded: object) -> list[bytes | ServiceError]:
    if not isinstance(encoded, list) or not encoded:
        raise BadRequest('"images" must be a list of base64 strings, at least one')
    if len(encoded) > MAX_PICTURES:
        raise BadRequest(f"the request has {len(encoded)} pictures; the limit is {MAX_PICTURES}")
    return [_decoded(item) for item in encoded]


def _decoded(text: object) -> bytes | ServiceError:
    """The bytes of a base64 string, with or without `data:image/jpeg;base64,` before it."""
    if not isinstance(text, str):
        return BadRequest("the picture is not a string of base64")
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            return BadRequest("the data: URI of the picture is not base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return BadRequest("the picture is not valid base64")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
