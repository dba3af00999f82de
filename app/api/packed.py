"""The ASGI layer that unpacks compressed request bodies (RFC 9110, 8.4.1), in steps and within a limit."""

import asyncio
import zlib
from collections.abc import Awaitable
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
        named = _encoding(scope) if scope["type"] == "http" else ""
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
        unpacking, at, rest = _unpacking(packed, named), 0, b""
        while not unpacking.eof:
            if not rest:
                rest, at = packed[at : at + _STEP_BYTES], at + _STEP_BYTES
            piece = unpacking.decompress(rest, _STEP_BYTES)
            if not (piece or rest):
                raise BadRequest("the compressed body is cut off")
            self._add(whole, piece)
            rest = unpacking.unconsumed_tail
            self._check_room(whole, limit)
            await asyncio.sleep(0)
        if unpacking.unused_data or at < len(packed):
            raise BadRequest("the body has bytes after the end of its compressed data")

    def _check_room(self, whole: BytesIO, limit: int) -> None:
        if whole.tell() > limit:
            raise BodyTooLarge(f"the body is larger than the limit of {limit:,} bytes once it is unpacked")
        if self._held_bytes > self._most_bytes:
            raise Overloaded("the bodies that are unpacked now take too much memory")

    def _add(self, whole: BytesIO, piece: bytes) -> None:
        whole.write(piece)
        self._held_bytes += len(piece)


def _encoding(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return given[0].decode("latin-1").strip().lower() if len(given) == 1 else ""


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
