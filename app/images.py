"""From bytes to a checked image: type, scans, size, pixels. Nothing is decoded here.

The order and the limits answer known attacks: decoding is not bounded by the file's size (a 6 kB JPEG can declare
13000x13000 pixels), nor by its pixels (thousands of progressive scans: libjpeg-turbo's report LJT-01-003), and
TensorFlow's `decode_jpeg` would hand a PNG or GIF to its own, unpatched decoders.
"""

import re
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO

import PIL.Image
import PIL.JpegImagePlugin
import PIL.MpoImagePlugin  # both plugins now: Pillow would import them in the first request

from app.errors import BadRequest, ImageTooLarge, InvalidImage, NotAJpeg

MAX_SCANS = 64
# MPO: the pictures of many phones are a JPEG with a second one behind it; TensorFlow decodes the first.
FORMATS = ("JPEG", "MPO")

_ORIENTATION = 0x0112  # the EXIF tag
_START = b"\xff\xd8\xff"
_START_OF_SCAN = 0xDA
# Markers without a length behind them: TEM, the restarts and start of image (ITU-T T.81, table B.1).
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_END_OF_IMAGE = 0xD9
# In a scan's data ff 00 is a stuffed byte and ff d0 to ff d7 are restarts; any other ff xx ends it.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG file that has passed the checks."""

    data: bytes
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

    Raw `ff da` bytes are not counted: metadata has them too.
    """
    scans, at = 0, 2
    while at + 4 <= len(data) and data[at] == 0xFF and scans <= limit:
        marker = data[at + 1]
        if marker == _END_OF_IMAGE:
            break
        if marker == 0xFF or marker in _ALONE:  # ff ff: fill bytes
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            scans += 1
            end = _END_OF_SCAN.search(data, at)
            at = end.start() if end else len(data)
    return scans


def _header(data: bytes) -> tuple[int, int, int | None]:
    try:
        with warnings.catch_warnings():
            # Our own limit on pixels decides, right after this; Pillow's raises only from 179 million on.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(BytesIO(data), formats=FORMATS) as picture:
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
        value = picture.getexif().get(_ORIENTATION)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        return None
    return value if isinstance(value, int) and 1 <= value <= 8 else None
