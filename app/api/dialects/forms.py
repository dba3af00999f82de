"""Forms (multipart/form-data): files and short fields, found by their boundaries; no part is read before it is bounded.

All text is utf-8 (RFC 7578, 5.1.2), whatever a `charset` says: a client never chooses who decodes its bytes.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from python_multipart.multipart import parse_options_header

from app.api.dialects import base64s, pairs
from app.api.dialects.steps import STEP_BYTES, Steps
from app.api.pipeline import MAX_PICTURES
from app.errors import BadRequest, ServiceError
from converter.model.jpeg_segments import BEGINNING

_MAX_FIELDS = 20
_MAX_FIELD_BYTES, _MAX_FIELDS_BYTES = 4_096, 16_384  # of one, of all together: parameters are short
_MAX_HEADER_BYTES = 4_096  # of a part
_MAX_TYPE_BYTES = 1_000  # of the Content-Type
_MAX_SPLITS = 20  # lines of a part's header, options of one line
_MAX_BOUNDARY_BYTES = 200  # RFC 2046 has 70
_MAX_FALSE_BOUNDARIES = 1_000  # that only begin like it
_BEHIND, _LAST = re.compile(rb"--|[ \t]{0,100}\r\n"), b"--"  # what follows a boundary; the last one's
_LF = re.compile(rb"[ \t]{0,100}\n")
_FOLDED = re.compile(rb"\r\n[ \t]+")  # a line of a header that goes on in the next one (RFC 5322, 2.2.3)
_MAX_FILENAME = 255  # characters that are told
_EXTENDED = re.compile(r"filename\*\s*=\s*\"?([\w-]*)'[\w-]*'([^;\"]*)")  # RFC 8187
_LATIN = ("iso-8859-1", "latin1", "windows-1252")
_UNREADABLE = "the form can't be read: "
_LF_ALONE = "its lines end with LF alone; CRLF is needed"


@dataclass(frozen=True, slots=True)
class Form:
    """What a form has."""

    files: Sequence[bytes | ServiceError]
    names: Sequence[str | None]  # of the files, where they have one
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    filename: str | None  # empty if it has none, None if it is not said to be a file
    is_file: bool
    is_base64: bool
    start: int  # of its content
    end: int

    @property
    def is_left_out(self) -> bool:
        """Whether it is what browsers send where nobody has chosen a file (HTML, multipart/form-data encoding)."""
        return self.filename == "" and self.start == self.end


async def read(content_type: str, body: bytes, steps: Steps) -> Form:
    """The form in `body`; BadRequest if it is none, or has more than it may, BadParameter if one has two values."""
    files: list[bytes | ServiceError] = []
    names: list[str | None] = []
    fields: list[tuple[str, str]] = []
    count = size = 0
    async for part in _parts(body, _delimiter(content_type), steps):
        if part.is_file or body.startswith(BEGINNING, part.start):
            if len(files) == MAX_PICTURES:
                raise BadRequest(f"the form has more than {MAX_PICTURES} files")
            files.append(await _content(body, part, steps))
            names.append(part.filename or None)
            continue
        count, size = count + 1, size + part.end - part.start + len(part.name)
        _check_fields(part, count, size)
        fields.append((part.name, body[part.start : part.end].decode("utf-8", "replace")))
    if not files:
        raise BadRequest("the form has no file: send the picture as a file, in a field called image for example")
    return Form(files, names, pairs.collected(fields, "the form"))


async def _content(body: bytes, part: _Part, steps: Steps) -> bytes | ServiceError:
    if not part.is_base64:
        return await steps.part(body, part.start, part.end)
    try:
        return await base64s.decoded(_pieces(body, part, steps))
    except BadRequest as error:
        return error
    except ValueError:  # binascii.Error is one
        return BadRequest(base64s.NOT_BASE64)


async def _pieces(body: bytes, part: _Part, steps: Steps) -> AsyncIterator[bytes]:
    for at in range(part.start, part.end, STEP_BYTES):
        yield body[at : min(at + STEP_BYTES, part.end)]
        await steps.give_way()


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
    opening = _behind(body, len(delimiter) - 2) if body.startswith(delimiter[2:]) else None
    behind = opening or (await _boundary(body, delimiter, 0, steps))[1]
    while behind[0] != _LAST:
        at = behind.end()
        if at == len(body):
            raise BadRequest(f"{_UNREADABLE}its last boundary is missing: the one at its end lacks the -- behind it")
        header_end = _header_end(body, at)
        end, behind = await _boundary(body, delimiter, header_end + 2, steps)
        part = _part(body[at:header_end], header_end + 4, max(header_end + 4, end))
        if not part.is_left_out:
            yield part
        await steps.give_way()


def _header_end(body: bytes, at: int) -> int:
    """Where the header ends that begins here."""
    end = body.find(b"\r\n\r\n", at - 2, at + _MAX_HEADER_BYTES)
    if end < 0:
        lines = body[at : at + _MAX_HEADER_BYTES]
        endless = f"a part's header does not end within {_MAX_HEADER_BYTES:,} bytes"
        raise BadRequest(_UNREADABLE + (_LF_ALONE if b"\n\n" in lines else endless))
    return end


def _behind(body: bytes, at: int) -> re.Match[bytes] | None:
    """What ends the line of a boundary; None if something else follows, so that it is none."""
    if _LF.match(body, at):
        raise BadRequest(f"{_UNREADABLE}{_LF_ALONE}")
    return _BEHIND.match(body, at)


async def _boundary(body: bytes, delimiter: bytes, start: int, steps: Steps) -> tuple[int, re.Match[bytes]]:
    """Where the next boundary begins, and what ends its line."""
    for _ in range(_MAX_FALSE_BOUNDARIES):
        at = await steps.find(body, delimiter, start)
        if at < 0:
            raise BadRequest(f"{_UNREADABLE}{_why_none(body, delimiter)}")
        if behind := _behind(body, at + len(delimiter)):
            return at, behind
        start = at + len(delimiter)
    raise BadRequest(f"{_UNREADABLE}more than {_MAX_FALSE_BOUNDARIES:,} lines begin like its boundary and are none")


def _why_none(body: bytes, delimiter: bytes) -> str:
    """Why there is no further boundary."""
    if not body.startswith(delimiter[2:]) and delimiter not in body:
        return "the boundary that its Content-Type names is nowhere in it"
    return "its last boundary is missing"


def _part(header: bytes, start: int, end: int) -> _Part:
    if header.count(b"\r\n") >= _MAX_SPLITS:
        raise BadRequest(f"{_UNREADABLE}a part's header has more than {_MAX_SPLITS} lines")
    lines = (line.partition(b":") for line in _FOLDED.sub(b" ", header).split(b"\r\n"))
    headers = {name.strip().lower(): value.strip().decode("latin-1") for name, _, value in lines}
    disposition = headers.get(b"content-disposition", "")
    options = _options(disposition)
    if b"name" not in options:
        raise BadRequest(f"{_UNREADABLE}a part has no Content-Disposition with a name")
    filename = _filename(disposition, options)
    return _Part(
        name=options[b"name"].decode("utf-8", "replace"),
        filename=filename,
        is_file=filename is not None or headers.get(b"content-type", "").lower().startswith("image/"),
        is_base64=headers.get(b"content-transfer-encoding", "").lower() == "base64",
        start=start,
        end=end,
    )


def _filename(disposition: str, options: Mapping[bytes, bytes]) -> str | None:
    """The file's name, empty if it has none; None if the part is not said to be a file."""
    if extended := _EXTENDED.search(disposition):
        name = unquote(extended[2], "latin-1" if extended[1].lower() in _LATIN else "utf-8", "replace")
    elif b"filename" in options:
        name = options[b"filename"].decode("utf-8", "replace")
    else:
        return None
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:_MAX_FILENAME])


def _options(header: str) -> dict[bytes, bytes]:
    """The options of a header, like `boundary`; BadRequest if there are more than anybody needs."""
    if header.count(";") > _MAX_SPLITS:
        raise BadRequest(f"{_UNREADABLE}a header has more than {_MAX_SPLITS} options")
    return parse_options_header(header)[1]
