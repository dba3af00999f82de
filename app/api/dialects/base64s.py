"""Base64 as clients write it: standard or URL-safe, with or without its padding, in lines, as a data: URI."""

import binascii
from collections.abc import AsyncIterator
from io import BytesIO

from app.errors import BadRequest
from converter.model.jpeg_segments import BEGINNING

NOT_BASE64 = "the picture is not valid base64"
_LINES = b"\t\n\r\x0b\x0c"
_STANDARD = bytes.maketrans(b"-_", b"+/")  # RFC 4648, 5: the two letters that URLs can't have


async def decoded(pieces: AsyncIterator[bytes]) -> bytes:
    """The bytes of base64 in pieces, or only the first of them if they are no JPEG file.

    BadRequest or ValueError if it is none.
    """
    picture, left, begun, padded, spaced = BytesIO(), b"", False, False, False
    async for each in pieces:
        spaced = spaced or b" " in each
        piece = each.translate(_STANDARD, _LINES + b" ")
        if piece and padded:
            raise ValueError("something follows the padding")
        left += piece if begun else _behind_head(piece)
        begun = begun or bool(piece)
        whole = len(left) // 4 * 4
        picture.write(binascii.a2b_base64(left[:whole], strict_mode=True))
        padded = left[:whole].endswith(b"=")
        left = left[whole:]
        if _is_no_jpeg(picture):
            return picture.getvalue()
    picture.write(_last_group(left, padded=padded, spaced=spaced))
    return picture.getvalue()


def _is_no_jpeg(picture: BytesIO) -> bool:
    return picture.tell() >= len(BEGINNING) and picture.getbuffer()[: len(BEGINNING)] != BEGINNING


def _last_group(left: bytes, *, padded: bool, spaced: bool) -> bytes:
    """What is left at the end without its padding; after spaces, which forms make of +, something may be lost."""
    if padded and left:
        raise ValueError("something follows the padding")
    if spaced and left:
        raise BadRequest(f"{NOT_BASE64}: it has spaces, perhaps where a + was: encode the + as %2B in a form")
    if len(left) == 1 or b"=" in left:
        raise BadRequest(f"{NOT_BASE64}: it does not end with a whole group of four characters")
    return binascii.a2b_base64(left + b"=" * (-len(left) % 4), strict_mode=True)


def _behind_head(piece: bytes) -> bytes:
    """The base64 of a data: URI (RFC 2397); of base64 alone, all of it."""
    if piece[:8].lower().startswith((b"http://", b"https://")):
        raise BadRequest("the picture is a URL, and pictures are not fetched: send the file in base64")
    if piece[:5].lower() != b"data:":
        return piece
    head, comma, encoded = piece.partition(b",")
    if not comma or not head.lower().endswith(b";base64"):
        raise BadRequest("the data: URI of the picture is not base64")
    return encoded
