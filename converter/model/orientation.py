"""Pictures as people see them: what a camera has stored lying or mirrored is turned as its EXIF orientation says."""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from converter.model.jpeg import Undecodable
from converter.model.jpeg_segments import START_OF_SCAN, bare, is_adobe, segments

AS_STORED = 1  # the orientation of a picture that is not turned; 2 to 8 are mirrored or turned (EXIF 2.32, tag 0x0112)
# Of a file that is encoded again. With colours in full resolution the pixels then differ by 0.7 of 255 on average.
QUALITY = 95

# Width and height of a picture as the model sees it and, where that is not as stored, the EXIF orientation applied.
Shown = tuple[int, int] | tuple[int, int, int]

_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def swaps_sides(orientation: int) -> bool:
    """Whether what is stored as width is seen as height."""
    return orientation >= 5


def of(shown: Shown) -> int:
    """The orientation that is applied."""
    return shown[2] if len(shown) == 3 else AS_STORED


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Decoded pixels (height, width, channels) as they are seen; a view, nothing is copied."""
    if swaps_sides(orientation):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def turned_picture(picture: Image.Image, orientation: int) -> Image.Image:
    """The same with Pillow's pictures."""
    return picture if orientation == AS_STORED else picture.transpose(_TURNS[orientation])


def wanted(files: Sequence[bytes], shown: Sequence[Shown]) -> list[tuple[bytes, int]]:
    """Each file and the orientation to apply to it; those beyond `shown` are padding, and are like the first."""
    turns = [of(each) for each in shown]
    rest = [turns[0] if turns else AS_STORED] * (len(files) - len(turns))
    return list(zip(files, [*turns, *rest], strict=True))


def turned_files(files: Sequence[bytes], shown: Sequence[Shown], pool: ThreadPoolExecutor | None) -> list[bytes]:
    """JPEG files, turned and encoded again where they are not shown as stored.

    The same file comes out of every process, so that native and its copies see the same picture. Undecodable if one
    can't be decoded.
    """
    asked = wanted(files, shown)
    distinct = [each for each in dict.fromkeys(asked) if each[1] != AS_STORED]
    done = dict(zip(distinct, (pool.map if pool is not None else map)(_encoded, distinct), strict=True))
    return [done.get(each, each[0]) for each in asked]


def _encoded(asked: tuple[bytes, int]) -> bytes:
    data, orientation = asked
    stream = io.BytesIO()
    try:
        with Image.open(io.BytesIO(bare(data)), formats=["JPEG"]) as picture:
            turned_picture(picture, orientation).save(stream, "JPEG", quality=QUALITY, subsampling=0)
    # Decoding runs on bytes from strangers: whatever Pillow raises on them means the same here.
    except Exception as error:
        raise Undecodable(f"Invalid JPEG data: {error}") from error
    return stream.getvalue() if _adobe(data) else _without_adobe(stream.getvalue())


def _adobe(data: bytes) -> slice | None:
    """Where Adobe's segment stands: Pillow takes the inks of CMYK as if it were there, and writes it always."""
    for marker, start, stop in segments(data):
        if is_adobe(data, marker, start):
            return slice(start - 2, stop)
        if marker == START_OF_SCAN:
            break
    return None


def _without_adobe(data: bytes) -> bytes:
    found = _adobe(data)
    return data if found is None else data[: found.start] + data[found.stop :]
