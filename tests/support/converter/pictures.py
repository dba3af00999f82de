"""Small JPEG files of many kinds, made here; and the same files damaged."""

import io
import re
from typing import Any

import numpy as np
import PIL.Image
import simplejpeg

_T = PIL.Image.Transpose
UNDONE_BY = {  # what is stored by an EXIF orientation, from what is seen
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_90,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_270,
}
MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def pixels(width: int, height: int, channels: int = 3) -> "np.ndarray[Any, Any]":
    """A slope with noise on it, the same each time."""
    noise = np.random.default_rng(width * height).integers(0, 50, (height, width, channels))
    return (np.linspace(0, 200, width * height * channels).reshape(height, width, channels) + noise).astype(np.uint8)


def jpeg(width: int = 33, height: int = 31, channels: int = 3, **options: Any) -> bytes:
    """A file that Pillow writes with these options."""
    array = pixels(width, height, channels)
    stream = io.BytesIO()
    picture = PIL.Image.fromarray(array[:, :, 0] if channels == 1 else array, MODES[channels])
    picture.save(stream, "JPEG", **options)
    return stream.getvalue()


def subsampled(layout: str, width: int = 33, height: int = 31) -> bytes:
    """A file with the colours stored in this layout, like 411."""
    data: bytes = simplejpeg.encode_jpeg(pixels(width, height), 85, "RGB", layout)
    return data


def adobe(data: bytes, transform: int | None) -> bytes:
    """The file with another colour transform in Adobe's segment, or without the segment."""
    at = data.index(b"Adobe")
    if transform is None:
        return data[: at - 4] + data[at + 12 :]
    return data[: at + 11] + bytes([transform]) + data[at + 12 :]


def oriented(data: bytes, orientation: int = 6) -> bytes:
    """The file with an EXIF block that turns it."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    PIL.Image.open(io.BytesIO(data)).save(stream, "JPEG", exif=exif, quality="keep")
    return stream.getvalue()


def lying(data: bytes, orientation: int, **options: Any) -> bytes:
    """The upright picture as a camera stores it, with the EXIF orientation by which it is upright again."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    with PIL.Image.open(io.BytesIO(data)) as picture:
        how = UNDONE_BY.get(orientation)
        stored = picture if how is None else picture.transpose(how)
        stored.save(stream, "JPEG", exif=exif, **{"quality": 95, "subsampling": 0, **options})
    return stream.getvalue()


def frame_marker(data: bytes, marker: int) -> bytes:
    """The file with another kind of frame in its header: what follows does not fit."""
    return re.sub(rb"\xff[\xc0-\xc2](?=\x00[\x0b\x11\x14]\x08)", bytes([0xFF, marker]), data, count=1)
