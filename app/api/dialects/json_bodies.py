"""JSON with pictures in base64: the pictures are cut out unread, and only the little that is left is parsed as JSON.

A parser would build whatever the body says, for seconds and in one go: a million keys, or a list of lists.
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from app.api.dialects import base64s
from app.api.dialects.steps import STEP_BYTES, Steps
from app.api.pipeline import MAX_PICTURES
from app.errors import BadRequest, ServiceError
from converter.model.jpeg_segments import BEGINNING

_MAX_REST_BYTES = 64 << 10  # of all but the long strings
_LONG_BYTES = 4_096  # a string of more must be a picture
_STRINGS = 500  # that are passed over in one step
_ESCAPED_BYTES = 32 << 10  # of a string with escapes: unescaping takes ten times as long as copying
_ESCAPE_BYTES = 6  # of the longest escape, like \u002f
_INVALID = "the body is not valid JSON"
_OPENING = re.compile(rb"(\xef\xbb\xbf)?\s*(\[|\{\s*[\"}])")  # of an object or a list
_PEEKED_BYTES = 1_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PICTURES = ("image", "images")


@dataclass(frozen=True, slots=True)
class JsonBody:
    """What the JSON has."""

    pictures: Sequence[bytes | ServiceError]
    several: bool
    fields: Mapping[str, Any]


async def read(body: bytes, steps: Steps) -> JsonBody:
    """The JSON in `body`; BadRequest if it is none, or has more than it may."""
    reader = Reader(body, steps)
    data = await reader.parsed()
    if (named := the_one(data, _PICTURES)) is None:
        raise BadRequest(_other_form(data))
    several = named == "images"
    image, images = data.pop("image", None), data.pop("images", None)
    encoded = _listed(images) if several else [image]
    pictures = [await reader.picture(item) for item in encoded]
    if not several and isinstance(pictures[0], ServiceError):
        raise pictures[0]
    reader.check_used(pictures)
    return JsonBody(pictures, several, data)


def the_one(data: object, names: Sequence[str]) -> str | None:
    """The one of these names that an object has; None if it has another number of them, or is no object.

    Generated clients send null for what nobody has set.
    """
    given = [name for name in names if data.get(name) is not None] if isinstance(data, dict) else []
    return given[0] if len(given) == 1 else None


def _other_form(data: object) -> str:
    wanted = 'the JSON must be an object with "image" or "images": base64 of a JPEG file, or a list of it'
    if isinstance(data, dict) and not data.keys().isdisjoint(("instances", "inputs")):
        return f"{wanted}; TensorFlow Serving's form goes to /v1/models/NAME:predict, Hugging Face's to /models/NAME"
    return wanted


class Reader:
    """Reads one body of JSON in which pictures are strings of base64; BadRequest if that can't be done."""

    def __init__(self, body: bytes, steps: Steps) -> None:
        self._body, self._steps = body, steps
        self._mark = secrets.token_hex(8)  # no client can name a long string that it did not put there
        self._long: dict[str, tuple[int, int]] = {}  # by what stands in its place in the rest; where it is in the body
        self._used: set[str] = set()

    async def parsed(self) -> Any:
        """What the JSON says, with marks in the place of long strings: `picture` knows them."""
        try:
            return _parsed(await self._rest())
        except (ValueError, RecursionError) as error:
            raise BadRequest(_why_invalid(self._body)) from error

    def check_used(self, pictures: Sequence[bytes | ServiceError]) -> None:
        """BadRequest if there is a long string that `picture` was never asked for; the error of a picture tells more.

        It may be in an object or a list where a picture should be.
        """
        if self._used != self._long.keys():
            for each in pictures:
                if isinstance(each, ServiceError):
                    raise each
            raise BadRequest(f"the JSON has a string of more than {_LONG_BYTES:,} bytes that is not a picture")

    async def _rest(self) -> bytes:
        """The body with a mark in the place of each long string."""
        body, rest, at, count = self._body, bytearray(), 0, 0
        while (quote := body.find(b'"', at, at + _MAX_REST_BYTES + 1)) >= 0:
            end = await self._end_of_string(quote + 1)
            if end < 0:
                raise BadRequest(_why_invalid(body))
            rest += body[at:quote] + self._kept(quote, end)
            if len(rest) > _MAX_REST_BYTES:
                break
            at, count = end + 1, count + 1
            if count % _STRINGS == 0:
                await self._steps.give_way()
        rest += body[at : at + _MAX_REST_BYTES + 1]
        if len(rest) > _MAX_REST_BYTES:
            too_much = f"the JSON has more than {_MAX_REST_BYTES:,} bytes besides its pictures"
            raise BadRequest(too_much if _OPENING.match(body, 0, _PEEKED_BYTES) else _why_invalid(body))
        return bytes(rest)

    def _kept(self, quote: int, end: int) -> bytes:
        if end - quote <= _LONG_BYTES:
            return self._body[quote : end + 1]
        mark = f"{self._mark}-{len(self._long)}"
        self._long[mark] = quote + 1, end
        return f'"{mark}"'.encode()

    async def _end_of_string(self, start: int) -> int:
        """Where the quote is that ends a string; -1 if none does."""
        body = self._body
        end = await self._steps.find(body, b'"', start)
        at = body.find(b"\\", start, end)
        if end < 0 or at < 0:
            return end
        step = 256
        while part := body[at : at + step]:
            # What is escaped is put out of the way at the same length: only the quote that ends the string is left.
            part = part.replace(rb"\\", b"__").replace(rb"\"", b"__")
            if (found := part.find(b'"')) >= 0:
                return at + found
            if part == b"\\":
                break
            at += len(part) - part.endswith(b"\\")
            step = min(2 * step, STEP_BYTES)
            await self._steps.give_way()
        return -1

    async def picture(self, text: object) -> bytes | ServiceError:
        """The bytes of a base64 string, with or without `data:image/jpeg;base64,` before it."""
        if not isinstance(text, str):
            return BadRequest("the picture is not a string of base64")
        self._used |= {text} & self._long.keys()
        try:
            return await base64s.decoded(self._pieces(text))
        except BadRequest as error:
            return error
        except ValueError:  # binascii.Error is one
            return BadRequest(base64s.NOT_BASE64)

    async def _pieces(self, text: str) -> AsyncIterator[bytes]:
        """The text of a string in pieces; ValueError where it has what no base64 has."""
        if text not in self._long:
            yield text.encode("ascii")
            return
        at, end = self._long[text]
        while at < end:
            piece = self._body[at : min(at + STEP_BYTES, end)]
            if b"\\" in piece:
                piece = _whole_escapes(piece[:_ESCAPED_BYTES], is_last=end - at <= _ESCAPED_BYTES)
                yield json.loads(b'"' + piece + b'"').encode("ascii")
            else:
                yield piece
            at += len(piece)
            await self._steps.give_way()


def _parsed(rest: bytes) -> Any:
    text = rest.decode("utf-8-sig")
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_named_once)


def _why_invalid(body: bytes) -> str:
    """What is wrong with JSON that is none."""
    if not body:
        return f"{_INVALID}: it is empty"
    if body.startswith(BEGINNING):
        return f"{_INVALID}: it is a JPEG file, which goes into the JSON as base64"
    if body.startswith(_UTF16) or b"\0" in body[:4]:
        return f"{_INVALID} in UTF-8: it is in UTF-16 or UTF-32"
    return _INVALID


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two values of one name nobody could say which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise BadRequest(f"the JSON has {name[:40]!r} more than once in one object")
    return found


def _listed(encoded: object) -> list[object]:
    if not isinstance(encoded, list) or not encoded:
        raise BadRequest('"images" must be a list of base64 strings, at least one')
    if len(encoded) > MAX_PICTURES:
        raise BadRequest(f"the request has {len(encoded)} pictures; the limit is {MAX_PICTURES}")
    return encoded


def _whole_escapes(piece: bytes, *, is_last: bool) -> bytes:
    """Up to an escape that the end of the piece may have cut; ValueError if it has a backslash, which no base64 has."""
    if rb"\\" in piece:
        raise ValueError("a backslash is not base64")
    cut = -1 if is_last else piece.rfind(b"\\", len(piece) - _ESCAPE_BYTES + 1)
    return piece if cut < 0 else piece[:cut]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
