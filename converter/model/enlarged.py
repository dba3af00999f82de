"""Photos as a camera would have written them: enlarged, with its noise, in the forms that JPEG files come in."""

import io
from collections.abc import Iterator
from math import sqrt

from PIL import Image, ImageChops

QUALITY = 90
NOISE = 5.0  # standard deviation of a sensor's; without it an enlarged photo decodes faster than a real one


def forms(photos: list[bytes], pixels: int) -> Iterator[tuple[int, bytes]]:
    """Each photo with so many pixels, as a baseline file with 4:2:0; the first as a progressive, CMYK and grey one too.

    Each comes with the number of the photo that it is of.
    """
    for number, photo in enumerate(photos):
        picture = enlarged(photo, pixels)
        yield number, _jpeg(picture)
        if number == 0:
            yield number, _jpeg(picture, progressive=True)
            yield number, _jpeg(picture.convert("CMYK"))
            yield number, _jpeg(picture.convert("L"))


def enlarged(photo: bytes, pixels: int) -> Image.Image:
    """The photo with so many pixels and a camera's noise."""
    with Image.open(io.BytesIO(photo), formats=["JPEG"]) as source:
        factor = sqrt(pixels / (source.width * source.height))
        size = (round(source.width * factor), round(source.height * factor))
        picture = source.resize(size, Image.Resampling.BILINEAR)
    noise = Image.effect_noise(size, NOISE)  # around 128
    ground = noise if picture.mode == "L" else Image.merge(picture.mode, [noise] * len(picture.getbands()))
    return ImageChops.add(picture, ground, offset=-128)


def _jpeg(picture: Image.Image, *, progressive: bool = False) -> bytes:
    stream = io.BytesIO()
    sampling = "4:4:4" if picture.mode == "CMYK" else "4:2:0"  # inks are not subsampled
    picture.save(stream, "JPEG", quality=QUALITY, subsampling=sampling, progressive=progressive)
    return stream.getvalue()
