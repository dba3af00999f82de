"""JPEG files, good and odd, made from pictures that Pillow has really encoded."""

from io import BytesIO
from typing import Any

import PIL.Image

START, END = b"\xff\xd8", b"\xff\xd9"
START_OF_SCAN = 0xDA
_TABLES = 0xDB
# Start of frame: baseline, extended, progressive (ITU-T T.81, table B.1).
_FRAMES = (0xC0, 0xC1, 0xC2)
_ALONE = (0x01, *range(0xD0, 0xD9))


def photo(width: int = 64, height: int = 48, **how: Any) -> bytes:
    """A picture of smooth colours; `how` are Pillow's options, like progressive=True, and its `mode`."""
    return _encode(_picture(width, height, how.pop("mode", "RGB")), "JPEG", **how)


def mpo(width: int = 64, height: int = 48) -> bytes:
    """Two pictures in one file, as phones write them."""
    second = _picture(width, height).transpose(PIL.Image.Transpose.ROTATE_180)
    return _encode(_picture(width, height), "MPO", save_all=True, append_images=[second])


def other_format(name: str) -> bytes:
    """The picture as another kind of file: PNG, GIF, BMP, …"""
    return _encode(_picture(64, 48), name)


def with_size(data: bytes, width: int, height: int) -> bytes:
    """The same file declaring another size."""
    at = _frame(data)
    return data[: at + 5] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 9 :]


def with_precision(data: bytes, bits: int) -> bytes:
    """The same file declaring other bits a sample, like 12."""
    at = _frame(data)
    return data[: at + 4] + bytes([bits]) + data[at + 5 :]


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """The same file with one more segment at its beginning."""
    return START + segment(marker, content) + data[2:]


def segment(marker: int, content: bytes) -> bytes:
    """A marker, its length and its content."""
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def with_bytes(data: bytes, more: bytes) -> bytes:
    """The same file with `more` before the second of its segments; decoders pass over what is no marker there."""
    at = 2 + len(_segments(data)[0][1])
    return data[:at] + more + data[at:]


def with_scans(count: int, width: int = 64, height: int = 48, *, progressive: bool = True) -> bytes:
    """A file whose last scan is repeated until there are `count`: small, legal if progressive, and slow to decode."""
    pieces = _segments(photo(width, height, progressive=progressive))
    scans = [piece for marker, piece in pieces if marker == START_OF_SCAN]
    again = scans[-1] * (count - len(scans))
    return START + b"".join(piece for _, piece in pieces) + again + END


def without_tables(data: bytes) -> bytes:
    """The same file without its quantization tables: its header is fine and nothing can be decoded."""
    kept = [piece for marker, piece in _segments(data) if marker != _TABLES]
    return START + b"".join(kept) + END


def cut(data: bytes, *, share: float) -> bytes:
    """The first part of the file: the transfer broke off."""
    return data[: int(len(data) * share)]


def cut_in_header(data: bytes) -> bytes:
    """The file up to the middle of its frame's header: it has no size."""
    return data[: _frame(data) + 6]


def _picture(width: int, height: int, mode: str = "RGB") -> PIL.Image.Image:
    slope = PIL.Image.linear_gradient("L").resize((width, height))
    round_ = PIL.Image.radial_gradient("L").resize((width, height))
    return PIL.Image.merge("RGB", (slope, round_, slope.rotate(180))).convert(mode)


def _encode(picture: PIL.Image.Image, name: str, **how: Any) -> bytes:
    file = BytesIO()
    picture.save(file, name, **how)
    return file.getvalue()


def _frame(data: bytes) -> int:
    """Where the start-of-frame marker is."""
    at = 2
    for marker, piece in _segments(data):
        if marker in _FRAMES:
            return at
        at += len(piece)
    raise ValueError("the file has no frame")


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """Markers and pieces of a well-formed file between its first marker and its end; a scan's data is part of it."""
    found, at = [], 2
    while data[at : at + 2] != END:
        begin, marker = at, data[at + 1]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        while marker == START_OF_SCAN and not _is_marker(data, at):
            at += 1
        found.append((marker, data[begin:at]))
    return found


def _is_marker(data: bytes, at: int) -> bool:
    return data[at] == 0xFF and data[at + 1] != 0 and data[at + 1] not in _ALONE
