"""Messages, measured before they are parsed: what is built of a few bytes may take a hundred times as many.

Everything in a message but its JPEG files has little room, as in JSON (see `app.api.dialects.json_bodies`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from app.errors import BadRequest

MAX_REST_BYTES = 16 << 10
Files = Mapping[int, Any]  # by the number of a field: FILE, or the same for the message in it

FILE = None
# Where a ModelInferRequest has files: inputs.contents.bytes_contents, raw_input_contents.
IN_INFER: Files = {5: {5: {8: FILE}}, 7: FILE}
_VARINT, _FIXED_BYTES, _LENGTH = 0, {1: 8, 5: 4}, 2  # how fields are written; what else there is only brackets others
_MAX_VARINT_BYTES = 10


def parsed(message: bytes, kind: Any) -> Any:
    """The message of this kind; BadRequest if it is none, or has more than it may."""
    name = kind.DESCRIPTOR.full_name
    try:
        _check(message, IN_INFER if name == "inference.ModelInferRequest" else {})
        return kind.FromString(message)
    except (DecodeError, IndexError):
        raise BadRequest(f"the message is no {name}") from None


def _check(message: bytes, files: Files) -> None:
    rest = 0
    for size in _besides(memoryview(message), files):
        rest += size
        if rest > MAX_REST_BYTES:
            raise BadRequest(f"the message has more than {MAX_REST_BYTES:,} bytes besides its JPEG files")


def _besides(data: memoryview, files: Files) -> Iterator[int]:
    """The bytes of each field, without those of files; IndexError if it ends too soon."""
    for number, before, content in _fields(data):
        yield before
        if number not in files:
            yield len(content)
        elif files[number] is not FILE:
            yield from _besides(content, files[number])


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Each field's number, how many bytes are before its content, and that; a number has only what is before."""
    at = 0
    while at < len(data):
        begun, size = at, 0
        tag, at = _varint(data, at)
        if tag & 7 == _LENGTH:
            size, at = _varint(data, at)
        elif tag & 7 == _VARINT:
            _, at = _varint(data, at)
        else:
            at += _FIXED_BYTES.get(tag & 7, 0)
        yield tag >> 3, at - begun, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that is written here, and what is behind it."""
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise IndexError("a number without an end")
