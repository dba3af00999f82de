"""Forms (multipart/form-data): files and short fields, found by their boundaries; no part is read before it is bounded.

All text is utf-8 (RFC 7578, 5.1.2), whatever a `charset` says: a client never chooses who decodes its bytes.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from app.api.dialects.steps import Steps
from app.api.pipeline import MAX_PICTURES
from app.errors import BadRequest

_MAX_FIELDS = 20
_MAX_FIELD_BYTES, _MAX_FIELDS_BYTES = 4_096, 16_384  # of one, of all together: parameters are short
_MAX_HEADER_BYTES = 4_096  # of a part
_MAX_TYPE_BYTES = 1_000  # of the Content-Type
_MAX_SPLITS = 20  # lines of a part's header, options of one line
_MAX_BOUNDARY_BYTES = 200  # RFC 2046 has 70
_MAX_FALSE_BOUNDARIES = 1_000  # that only begin like it
_BEHIND, _LAST = re.compile(rb"--|[ \t]{0,100}\r\n"), b"--"  # what follows a boundary; the last one's
_UNREADABLE = "the form can't be read: "


@dataclass(frozen=True, slots=True)
class Form:
    """What a form has."""

    files: Sequence[bytes]
    fields: Mapping[str, str]  # the last value of each, but classes add up


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    is_file: bool
    start: int  # of its content
    end: int


async def read(content_type: str, body: bytes, steps: Steps) -> Form:
    """The form in `body`; BadRequest if it is none, or has more than it may."""
    files: list[bytes] = []
    fields: dict[str, str] = {}
    count = size = 0
    async for part in _parts(body, _delimiter(content_type), steps):
        if part.is_file:
            if len(files) == MAX_PICTURES:
                raise BadRequest(f"the form has more than {MAX_PICTURES} files")
            files.append(await steps.part(body, part.start, part.end))
            continue
        count, size = count + 1, size + part.end - part.start + len(part.name)
        _check_fields(part, count, size)
        _add(fields, part.name, body[part.start : part.end].decode("utf-8", "replace"))
    if not files:
        raise BadRequest("the form has no file: send the picture as a file, in a field called image for example")
    return Form(files, fields)


def _add(fields: dict[str, str], name: str, value: str) -> None:
    fields[name] = f"{fields[name]},{value}" if name == "classes" and name in fields else value


def _check_fields(part: _Part, count: int, size: int) -> None:
    if count > _MAX_FIELDS:
        raise BadRequest(f"the form has more than {_MAX_FIELDS} fields besides its files")
    if part.end - part.start > _MAX_FIELD_BYTES:
        raise BadRequest(
            f"the form's field {part.name[:40]!r} has more than {_MAX_FIELD_BYTES:,} bytes: send a picture as a file"
        )
    if size > _MAX_FIELDS_BYTES:
        raise BadRequest(f"the form's fields have more than {_MAX_FIELDS_BYTES:,} bytes together")


def _delimiter(content_type: str) -> bytes:
    if len(content_type) > _MAX_TYPE_BYTES:
        raise BadRequest(f"{_UNREADABLE}its Content-Type has more than {_MAX_TYPE_BYTES:,} bytes")
    boundary = _options(content_type).get(b"boundary", b"")
    if not boundary:
        raise BadRequest(f"{_UNREADABLE}its Content-Type names no boundary")
    if len(boundary) > _MAX_BOUNDARY_BYTES:
        raise BadRequest(f"{_UNREADABLE}its boundary is longer than {_MAX_BOUNDARY_BYTES} bytes")
    return b"\r\n--" + boundary


async def _parts(body: bytes, delimiter: bytes, steps: Steps) -> AsyncIterator[_Part]:
    """Each part; what stands before the first boundary and behind the last is passed over (RFC 2046, 5.1.1)."""
    opening = _BEHIND.match(body, len(delimiter) - 2) if body.startswith(delimiter[2:]) else None
    behind = opening or (await _boundary(body, delimiter, 0, steps))[1]
    while behind[0] != _LAST:
        at = behind.end()
        header_end = body.find(b"\r\n\r\n", at - 2, at + _MAX_HEADER_BYTES)
        if header_end < 0:
            raise BadRequest(f"{_UNREADABLE}a part's header does not end within {_MAX_HEADER_BYTES:,} bytes")
        end, behind = await _boundary(body, delimiter, header_end + 2, steps)
        yield _part(body[at:header_end], header_end + 4, max(header_end + 4, end))
        await steps.give_way()


async def _boundary(body: bytes, delimiter: bytes, start: int, steps: Steps) -> tuple[int, re.Match[bytes]]:
    """Where the next boundary begins, and what ends its line."""
    for _ in range(_MAX_FALSE_BOUNDARIES):
        at = await steps.find(body, delimiter, start)
        if at < 0:
            raise BadRequest(f"{_UNREADABLE}its last boundary is missing")
        if behind := _BEHIND.match(body, at + len(delimiter)):
            return at, behind
        start = at + len(delimiter)
    raise BadRequest(f"{_UNREADABLE}more than {_MAX_FALSE_BOUNDARIES:,} lines begin like its boundary and are none")


def _part(header: bytes, start: int, end: int) -> _Part:
    if header.count(b"\r\n") >= _MAX_SPLITS:
        raise BadRequest(f"{_UNREADABLE}a part's header has more than {_MAX_SPLITS} lines")
    lines = (line.partition(b":") for line in header.split(b"\r\n"))
    headers = {name.strip().lower(): value.strip().decode("latin-1") for name, _, value in lines}
    options = _options(headers.get(b"content-disposition", ""))
    if b"name" not in options:
        raise BadRequest(f"{_UNREADABLE}a part has no Content-Disposition with a name")
    return _Part(options[b"name"].decode("utf-8", "replace"), b"filename" in options, start, end)


def _options(header: str) -> dict[bytes, bytes]:
    """The options of a header, like `boundary`; BadRequest if there are more than anybody needs."""
    if header.count(";") > _MAX_SPLITS:
        raise BadRequest(f"{_UNREADABLE}a header has more than {_MAX_SPLITS} options")
    return parse_options_header(header)[1]
