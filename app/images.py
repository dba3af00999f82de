"""From bytes to a checked image: type, scans, size, pixels. Nothing is decoded here.

The order and the limits answer known attacks: decoding is not bounded by the file's size (a 6 kB JPEG can declare
13000x13000 pixels), nor by its pixels (thousands of progressive scans: libjpeg-turbo's report LJT-01-003), and
TensorFlow's `decode_jpeg` would hand a PNG or GIF to its own, unpatched decoders.
"""

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import PIL.Image
import PIL.JpegImagePlugin
import PIL.MpoImagePlugin  # both plugins now: Pillow would import them in the first request

from app.errors import BadRequest, ImageTooLarge, InvalidImage, NotAJpeg
from converter.model.jpeg_segments import END_OF_IMAGE, START_OF_SCAN, segments

MAX_SCANS = 64
# Real files have up to 700 segments (a profile and metadata of several MB); Pillow takes microseconds for each.
MAX_SEGMENTS = 2_000
MAX_JUNK_BYTES = 1_000  # fill bytes and such between them: Pillow takes each one by itself
# MPO: the pictures of many phones are a JPEG with a second one behind it; TensorFlow decodes the first.
FORMATS = ("JPEG", "MPO")

_ORIENTATION = 0x0112  # the EXIF tag
_START = b"\xff\xd8\xff"
_MARKER_BYTES = 2
# Reserved, or of other standards: libjpeg ends at them, Pillow takes some to stand alone.
_REFUSED = frozenset({*range(0x02, 0xC0), 0xC8, *range(0xF0, 0xFE)})
_quiet = threading.Lock()


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG file that has passed the checks."""

    data: bytes = field(repr=False)
    width: int  # pixels as stored; a declared EXIF orientation is not applied
    height: int
    orientation: int | None = None  # the EXIF orientation that the file declares, 1 to 8


def check(data: bytes, *, max_pixels: int) -> Image:
    """The image in `data`; BadRequest, NotAJpeg, InvalidImage or ImageTooLarge if it is none that may pass."""
    if not data:
        raise BadRequest("the body is empty; a JPEG file is needed")
    if not data.startswith(_START):
        raise NotAJpeg("the body is not a JPEG file: it does not begin with ff d8 ff")
    if count_scans(data, limit=MAX_SCANS) > MAX_SCANS:
        raise InvalidImage(f"the JPEG file has more than {MAX_SCANS} scans")
    width, height, orientation = _header(data)
    if width * height > max_pixels:
        raise ImageTooLarge(f"the picture has {width} x {height} pixels; the limit is {max_pixels:,} pixels")
    return Image(data, width, height, orientation)


def count_scans(data: bytes, *, limit: int) -> int:
    """Scans of the first picture in `data`, found by walking its segments; stops at `limit` + 1.

    Raw `ff da` bytes are not counted: metadata has them too. InvalidImage if there is no end of segments.
    """
    scans, junk, end = 0, 0, 2
    for number, (marker, start, stop) in enumerate(segments(data), start=1):
        if not scans:
            junk += start - _MARKER_BYTES - end
            _check_header(marker, junk)
            end = stop
        if number > MAX_SEGMENTS:
            raise InvalidImage(f"the JPEG file has more than {MAX_SEGMENTS} segments")
        scans += marker == START_OF_SCAN
        if marker == END_OF_IMAGE or scans > limit:
            break
    if not scans:  # Pillow would look for one to the end, byte by byte
        raise InvalidImage("the JPEG file's header can't be read: there is no scan behind it")
    return scans


def _check_header(marker: int, junk_bytes: int) -> None:
    if marker in _REFUSED:
        raise InvalidImage(f"the JPEG file's header can't be read: no decoder takes its marker ff {marker:02x}")
    if junk_bytes > MAX_JUNK_BYTES:
        raise InvalidImage(f"the JPEG file's header has more than {MAX_JUNK_BYTES} bytes between its segments")


def opened(data: bytes) -> PIL.Image.Image:
    """The picture with its header read; whatever Pillow raises on a broken one."""
    with _quietly():
        return PIL.Image.open(BytesIO(data), formats=FORMATS)


@contextmanager
def _quietly() -> Iterator[None]:
    """Pillow warns of odd metadata, which is not our business; Python's filters are one list for all threads."""
    with _quiet, warnings.catch_warnings(action="ignore"):
        yield


def _header(data: bytes) -> tuple[int, int, int | None]:
    try:
        with opened(data) as picture:
            return *picture.size, _orientation(picture)
    except PIL.Image.DecompressionBombError as error:
        raise ImageTooLarge("the picture has far too many pixels") from error
    # Pillow's readers raise all of these on broken headers (https://pillow.readthedocs.io, "Image.open").
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error) as error:
        raise InvalidImage("the JPEG file's header can't be read") from error


def _orientation(picture: PIL.Image.Image) -> int | None:
    """What the EXIF block declares; a broken block declares nothing, which does not make the picture unusable."""
    if "exif" not in picture.info:
        return None
    try:
        with _quietly():
            value = picture.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None
