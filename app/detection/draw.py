"""A picture with its boxes drawn, readable on any picture: each line has a dark rim, each label a ground of its own."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import PIL.Image
from PIL import ImageDraw, ImageFont

from app.images import Image
from converter.model.jpeg_segments import bare
from converter.model.orientation import AS_STORED, turned_picture

QUALITY = 90
_ORIENTATION = 0x0112  # the EXIF tag
_GOLDEN_ANGLE = 0.618034  # of the colour circle: neighbours in ids are far apart in colour

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Labelled:
    """A box with what to write on it."""

    box: Rectangle  # in pixels of the picture
    text: str
    class_id: int


def annotate(image: Image, objects: Sequence[Labelled]) -> bytes:
    """The picture as a JPEG file with the objects drawn, the best (the first) on top.

    It is turned as it was for the model; an EXIF orientation that was not applied is kept.
    """
    with PIL.Image.open(BytesIO(bare(image.data)), formats=["JPEG"]) as source:
        source.load()
        turned = turned_picture(source, image.applied_orientation)
        picture: PIL.Image.Image = turned if turned.mode == "RGB" else turned.convert("RGB")  # which is a copy
    draw = ImageDraw.Draw(picture)
    unit = max(1, round(max(picture.size) / 400))  # a line's width: 2 on a VGA picture
    font = ImageFont.load_default(size=max(10, 7 * unit))
    taken: list[Rectangle] = []
    for item in objects[::-1]:
        draw.rectangle(item.box, outline="black", width=unit + 2)
        draw.rectangle(_shrunk(item.box), outline=colour(item.class_id), width=unit)
    for item in objects:
        _label(draw, item, font, picture.size, taken)
    exif = PIL.Image.Exif()
    if image.orientation and image.applied_orientation == AS_STORED:
        exif[_ORIENTATION] = image.orientation
    out = BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, exif=exif)
    return out.getvalue()


def colour(class_id: int) -> tuple[int, int, int]:
    """A bright colour of the class' own."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN_ANGLE % 1, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shrunk(box: Rectangle) -> Rectangle:
    left, top, right, bottom = box
    return (left + 1, top + 1, right - 1, bottom - 1) if right - left > 2 and bottom - top > 2 else box


def _label(
    draw: ImageDraw.ImageDraw,
    item: Labelled,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
    taken: list[Rectangle],
) -> None:
    """Write the label above its box or, where there is no room or another label, at the nearest free place."""
    _, _, text_width, text_height = draw.textbbox((0, 0), item.text, font=font)
    width, height = text_width + 6, text_height + 4
    left, top, _, bottom = item.box
    x = min(max(0.0, left), max(0.0, size[0] - width))
    rows = (top - height, top, bottom - height, bottom, *(top + step * height for step in range(1, 50)))
    places = [(x, y, x + width, y + height) for y in rows if 0 <= y <= size[1] - height]
    place = next((place for place in places if not any(_overlap(place, other) for other in taken)), None)
    place = place or (x, 0.0, x + width, height)
    taken.append(place)
    ground = colour(item.class_id)
    draw.rectangle(place, fill=ground, outline="black")
    brightness = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]  # ITU-R BT.601
    draw.text((place[0] + 3, place[1] + 2), item.text, font=font, fill="black" if brightness > 110 else "white")


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
