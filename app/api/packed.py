"""The ASGI layer that unpacks compressed request bodies (RFC 9110, 8.4.1), in steps and within a limit."""

import asyncio
import zlib
from collections.abc import Awaitable, Iterable
from io import BytesIO
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_response
from app.errors import BadRequest, BodyTooLarge, Overloaded, ServiceError
from converter.model.jpeg_segments import BEGINNING

LIMIT = "body_limit"  # in `scope["state"]`: the most bytes that this request's body may have, packed or not
_STEP_BYTES = 256 << 10  # that are taken, or unpacked, before others go on
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_MEMBER, _MOST_MEMBERS = b"\x1f\x8b", 1_000  # a gzip file may be several in a row (RFC 1952, 2.2), as bgzip makes it
# What clients call bodies that are not compressed.
_NOTHING = frozenset(("", "identity", "none", "binary", "7bit", "8bit", "utf-8", "utf8", "us-ascii", "iso-8859-1"))
_TAKEN_OFF = (b"content-encoding", b"content-length")  # of what is inside neither is true


class Packed:
    """Gives what is inside the bodies as they were before they were compressed, and takes the header off.

    A JPEG file that is only called compressed passes as it is. What is unpacked has `most_bytes` at once in memory.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes
        self._held_bytes = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        named = encoding(scope["headers"]) if scope["type"] == "http" else ""
        if named in _WINDOWS:
            return self._unpacked(named, scope, receive, send)
        return self._app(scope, receive, send)

    async def _unpacked(self, named: str, scope: Scope, receive: Receive, send: Send) -> None:
        whole = BytesIO()
        try:
            if error := await self._unpack(receive, named, whole, limit=scope["state"][LIMIT]):
                await error_response(scope["state"]["request_id"], error)(scope, receive, send)
                return
            scope["headers"] = [each for each in scope["headers"] if each[0] not in _TAKEN_OFF]
            await self._app(scope, _giving(whole.getvalue(), receive), send)
        finally:
            self._held_bytes -= whole.tell()

    async def _unpack(self, receive: Receive, named: str, whole: BytesIO, *, limit: int) -> ServiceError | None:
        """Have `whole` grow to what is inside; the error if that is too much, or nothing that can be unpacked."""
        try:
            body = await _whole(receive)
            if not body or body.startswith(BEGINNING):
                self._add(whole, body)
            else:
                await self._inflate(body, named, whole, limit=limit)
        except zlib.error:
            return BadRequest(f"the body is not compressed as its Content-Encoding says: {named}")
        except ServiceError as error:
            return error
        return None

    async def _inflate(self, packed: bytes, named: str, whole: BytesIO, *, limit: int) -> None:
        at = 0
        for _ in range(_MOST_MEMBERS):
            at = await self._inflate_member(packed, at, named, whole, limit=limit)
            if at == len(packed):
                return
            if not packed.startswith(_MEMBER, at) or named == "deflate":
                raise BadRequest("the body has bytes after the end of its compressed data")
        raise BadRequest(f"the compressed body has more than {_MOST_MEMBERS:,} members")

    async def _inflate_member(self, packed: bytes, at: int, named: str, whole: BytesIO, *, limit: int) -> int:
        """Unpack what begins at `at`; where it ends."""
        unpacking, rest = _unpacking(packed, named), b""
        while not unpacking.eof:
            if not rest:
                rest, at = packed[at : at + _STEP_BYTES], min(at + _STEP_BYTES, len(packed))
            piece = unpacking.decompress(rest, _STEP_BYTES)
            if not (piece or rest):
                raise BadRequest("the compressed body is cut off")
            self._add(whole, piece)
            rest = unpacking.unconsumed_tail
            self._check_room(whole, limit)
            await asyncio.sleep(0)
        return at - len(unpacking.unused_data)

    def _check_room(self, whole: BytesIO, limit: int) -> None:
        if whole.tell() > limit:
            raise BodyTooLarge(f"the body is larger than the limit of {limit:,} bytes once it is unpacked")
        if self._held_bytes > self._most_bytes:
            raise Overloaded("the bodies that are unpacked now take too much memory")

    def _add(self, whole: BytesIO, piece: bytes) -> None:
        whole.write(piece)
        self._held_bytes += len(piece)


def encoding(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """How a body is packed; empty if it is not. Several of them in a row stand with commas between them."""
    given = [value.decode("latin-1").lower() for name, value in headers if name == b"content-encoding"]
    words = [word.strip() for value in given for word in value.split(",")]
    return ", ".join(word for word in words if word not in _NOTHING)


async def _whole(receive: Receive) -> bytes:
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


class _Unpacking(Protocol):
    """What `zlib.decompressobj` gives."""

    @property
    def eof(self) -> bool:
        """Whether the end has come."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What has not been unpacked yet."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next bytes."""


def _unpacking(body: bytes, named: str) -> _Unpacking:
    """Clients call deflate what has zlib's header, as the standard says, and what has none."""
    has_header = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    bare = named == "deflate" and not has_header
    return zlib.decompressobj(-zlib.MAX_WBITS if bare else _WINDOWS[named])


def _giving(body: bytes, receive: Receive) -> Receive:
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
