"""Crops and mirror images of the packaged photos: the few photos themselves have too few boxes for a verdict."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from converter.model import sampling

PLACES = {0.9: 3, 0.8: 4, 0.6: 4, 0.45: 3}  # by the share of each side: so many crops across and down
QUALITY = 90


def written(folder: Path) -> Path:
    """The folder, with the crops in it if they were not there yet."""
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        for number, crop in enumerate(each for photo in sampling.packaged() for each in of(photo)):
            crop.save(partial / f"{number:03}.jpg", quality=QUALITY)
        partial.rename(folder)
    return folder


def of(photo: bytes) -> Iterator[Image.Image]:
    """Each crop of a photo and of its mirror image."""
    upright = Image.open(io.BytesIO(photo)).convert("RGB")
    for picture in (upright, ImageOps.mirror(upright)):
        for share, places in PLACES.items():
            width, height = (int(share * side) for side in picture.size)
            for across, down in itertools.product(range(places), repeat=2):
                left = (picture.width - width) * across // (places - 1)
                top = (picture.height - height) * down // (places - 1)
                yield picture.crop((left, top, left + width, top + height))
