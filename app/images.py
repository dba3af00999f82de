"""From bytes to a checked image: type, scans, size, pixels. Nothing is decoded here.

The order and the limits answer known attacks: decoding is not bounded by the file's size (a 6 kB JPEG can declare
13000x13000 pixels), nor by its pixels (thousands of progressive scans: libjpeg-turbo's report LJT-01-003), and
TensorFlow's `decode_jpeg` would hand a PNG or GIF to its own, unpatched decoders.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from app.errors import BadRequest, ImageTooLarge, InvalidImage, NotAJpeg
from converter.model.jpeg_segments import (
    BEGINNING,
    END_OF_IMAGE,
    FRAMES,
    PROGRESSIVE,
    START_OF_SCAN,
    segments,
    sides_and_components,
)
from converter.model.orientation import AS_STORED, swaps_sides

MAX_SCANS = 64
MAX_SEGMENTS = 2_000  # real files have up to 700: a profile and metadata of several MB
MAX_JUNK_BYTES = 64 << 10  # fill bytes and such between them
MAX_TABLE_BYTES = 64 << 10  # before the first scan: those that can be in use together have less than 3 kB
MOST_PIXELS = (1 << 29) // 3  # TensorFlow's decoder and Pillow take no more, whatever is allowed here

_PEEKED_BYTES = 1_000  # in which a picture is looked for that something stands before
_MARKER_BYTES = 2
_TABLES = frozenset({0xC4, 0xCC, 0xDB})
# Other frames, reserved, of other standards, or a second start of the image: libjpeg ends at them.
_REFUSED = frozenset({*range(0x02, 0xD0), 0xD8, *range(0xF0, 0xFE)}) - FRAMES - _TABLES
_COMPONENTS = (1, 3, 4)  # grey, colours, inks
_METADATA, _EXIF = 0xE1, b"Exif\0\0"
_ORIENTATION = 0x0112  # the tag
_WHOLE_NUMBERS = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4}  # TIFF's types, and the bytes of each
_MAX_ENTRIES = 1_000  # of a directory; cameras write a dozen
_A_FORM = re.compile(rb"(\r\n)?--[^\r\n]{1,200}\r?\ncontent-disposition:\s*form-data", re.IGNORECASE)
# How bodies begin that come in a picture's place, and what they are.
_OTHERS = {
    b"/9j/": "it is one in base64: send the file itself, or JSON with it",
    b"data:": "it is a data: URI: send the file itself, or JSON with it",
    b"http://": "it is a URL, and pictures are not fetched",
    b"https://": "it is a URL, and pictures are not fetched",
    b'{"': "it is JSON, which Content-Type has to say",
    b"\x1f\x8b": "it is in gzip, which Content-Encoding has to say",
    b"\x89PNG": "it is a PNG file",
    b"GIF8": "it is a GIF file",
    b"RIFF": "it is a WebP file, or another RIFF file",
    b"BM": "it is a BMP file",
}
_UNREADABLE = "the JPEG file's header can't be read"


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG file that has passed the checks."""

    data: bytes = field(repr=False)
    width: int  # pixels, as the model is shown it
    height: int
    orientation: int | None = None  # the EXIF orientation that the file declares, 1 to 8
    applied_orientation: int = AS_STORED  # the one by which it is turned before the model sees it
    raw: bool = False  # whether all outputs of the model are wanted, as it gives them

    @property
    def pixels(self) -> int:
        """How many it has."""
        return self.width * self.height

    @property
    def digest(self) -> str:
        """A short name for the file: the same for the same bytes."""
        return blake2b(self.data, digest_size=8).hexdigest()

    def upright(self) -> "Image":
        """The picture turned as its file declares."""
        applied = self.orientation or AS_STORED
        sides = (self.height, self.width) if swaps_sides(applied) else (self.width, self.height)
        return Image(self.data, *sides, self.orientation, applied)


@dataclass(frozen=True, slots=True)
class Intake:
    """Which pictures are taken, and how the model is shown them where nobody says."""

    max_pixels: int
    upright: bool = False

    def check(self, data: bytes, *, upright: bool | None = None) -> Image:
        """See `check`; the picture is to be shown upright or, with False, as stored."""
        image = check(data, max_pixels=self.max_pixels)
        return image.upright() if (self.upright if upright is None else upright) else image


def check(data: bytes, *, max_pixels: int) -> Image:
    """The image in `data`; BadRequest, NotAJpeg, InvalidImage or ImageTooLarge if it is none that may pass."""
    if not data:
        raise BadRequest("the body is empty; a JPEG file is needed")
    if not data.startswith(BEGINNING):
        raise NotAJpeg(f"the body is not a JPEG file: it does not begin with ff d8 ff{_seen(data)}")
    header = _Header(data)
    if count_scans(data, limit=MAX_SCANS, header=header) > MAX_SCANS:
        raise InvalidImage(f"the JPEG file has more than {MAX_SCANS} scans")
    width, height = header.size
    most = min(max_pixels, MOST_PIXELS)
    if width * height > most:
        raise ImageTooLarge(f"the picture has {width} x {height} pixels; the limit is {most:,} pixels")
    return Image(data, width, height, header.orientation)


def _seen(data: bytes) -> str:
    """What the bytes are, as far as their beginning says it and the sender may not know it."""
    at = data.find(BEGINNING, 0, _PEEKED_BYTES)
    before = f"; {at} bytes come before them" if at > 0 else ""
    if _A_FORM.match(data, 0, _PEEKED_BYTES):
        return "; it is a form, which Content-Type has to say with its boundary: multipart/form-data; boundary=…"
    return next((f"; {words}" for beginning, words in _OTHERS.items() if data.startswith(beginning)), before)


def count_scans(data: bytes, *, limit: int, header: "_Header | None" = None) -> int:
    """Scans of the first picture in `data`, found by walking its segments; stops at `limit` + 1.

    Raw `ff da` bytes are not counted: metadata has them too. InvalidImage if it has over 2,000 segments, or no scan.
    Where the first scan is the only one that decoders take, what is behind its header is not looked at.
    """
    scans, header = 0, header or _Header(data)
    for number, (marker, start, stop) in enumerate(segments(data), start=1):
        if number > MAX_SEGMENTS:
            raise InvalidImage(f"the JPEG file has more than {MAX_SEGMENTS} segments")
        if not scans:
            header.add(marker, start, stop)
        scans += marker == START_OF_SCAN
        if marker == END_OF_IMAGE or scans > limit or header.is_complete:
            break
    if not scans:
        raise InvalidImage(f"{_UNREADABLE}: there is no scan behind it")
    return scans


class _Header:
    """What the segments before the first scan say. Of metadata only the orientation is read, and nothing is refused."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._junk_bytes = self._table_bytes = 0
        self._end = _MARKER_BYTES  # of the segment before
        self._has_exif = False
        self._components: int | None = None  # of a picture that is not progressive
        self.is_complete = False  # whether the first scan is the only one that decoders take
        self.size = (0, 0)  # width, height
        self.orientation: int | None = None

    def add(self, marker: int, start: int, stop: int) -> None:
        """Read the next segment; InvalidImage if no decoder would go on behind it."""
        if junk_bytes := start - _MARKER_BYTES - self._end:
            self._junk_bytes += junk_bytes
            self._check_amount()
        self._end = stop
        if marker in _TABLES:
            self._table_bytes += stop - start
            self._check_amount()
        elif marker in FRAMES:
            self._read_frame(marker, start, stop)
        elif marker == _METADATA and not self._has_exif and self._data.startswith(_EXIF, start + 2):
            self._has_exif, self.orientation = True, _orientation(self._data[start + 2 + len(_EXIF) : stop])
        elif marker in _REFUSED:
            raise InvalidImage(f"{_UNREADABLE}: no decoder takes its marker ff {marker:02x}")
        elif marker == START_OF_SCAN:
            self._read_scan(start, stop)

    def _check_amount(self) -> None:
        if self._junk_bytes > MAX_JUNK_BYTES:
            raise InvalidImage(f"{_UNREADABLE}: it has more than {MAX_JUNK_BYTES:,} bytes between its segments")
        if self._table_bytes > MAX_TABLE_BYTES:
            raise InvalidImage(f"{_UNREADABLE}: it has more than {MAX_TABLE_BYTES:,} bytes of tables")

    def _read_scan(self, start: int, stop: int) -> None:
        if not all(self.size):
            raise InvalidImage(f"{_UNREADABLE}: no size stands before its first scan")
        # If the first one has the whole picture, libjpeg takes no other (jdinput.c, has_multiple_scans).
        components = int.from_bytes(self._data[start + 2 : start + 3], "big")
        self.is_complete = components == self._components and stop - start == 6 + 2 * components

    def _read_frame(self, marker: int, start: int, stop: int) -> None:
        width, height, components = sides_and_components(self._data, start)
        bits = self._data[start + 2 : start + 3]
        if any(self.size) or stop > len(self._data) or stop - start != 8 + 3 * components:
            raise InvalidImage(f"{_UNREADABLE}: its frame is cut off, or there are two")
        if bits != b"\x08" or components not in _COMPONENTS or not width or not height:
            raise InvalidImage(
                f"{_UNREADABLE}: it declares {width} x {height} pixels with {components} components of {bits[0]} bits"
            )
        self.size = width, height
        self._components = None if marker in PROGRESSIVE else components


def _orientation(tiff: bytes) -> int | None:
    """What an EXIF block declares; a broken block declares nothing, which does not make the picture unusable."""
    order: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
    if (byteorder := order.get(tiff[:4])) is None:
        return None
    found = None
    for entry in _entries(tiff, byteorder):
        tag, kind = (int.from_bytes(entry[i : i + 2], byteorder) for i in (0, 2))
        if tag == _ORIENTATION and int.from_bytes(entry[4:8], byteorder) == 1:
            found = int.from_bytes(entry[8 : 8 + _WHOLE_NUMBERS.get(kind, 0)], byteorder)
    return found if found in range(1, 9) else None


def _entries(tiff: bytes, byteorder: Literal["little", "big"]) -> Iterator[bytes]:
    """The whole entries of a TIFF file's first directory."""
    at = int.from_bytes(tiff[4:8], byteorder)
    count = int.from_bytes(tiff[at : at + 2], byteorder)
    last = min(at + 2 + 12 * min(count, _MAX_ENTRIES), len(tiff) - 11)
    yield from (tiff[i : i + 12] for i in range(at + 2, last, 12))
