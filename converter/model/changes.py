"""Changes to a photo after which every object is still there, in another place that is known.

None turns a photo: detectors don't find objects that lie on their side.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from converter.model.placing import Size

# Of its width and height that a photo gets beside it and above it. It lies in no corner and no middle of what is then
# much wider than it was: else objects in its middle would stay where they are in a reading with another padding.
LEFT, ABOVE = 0.8, 0.4


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to a photo."""

    name: str
    mirrored: bool = False  # left to right
    left: int = 0  # columns of black to its left
    above: int = 0  # rows of black above it

    def moved(self, boxes: NDArray[Any], size: Size) -> NDArray[Any]:
        """Where corners (n, 4) in pixels of a photo of this size are after it."""
        if self.mirrored:
            return np.stack([size[0] - boxes[:, 2], boxes[:, 1], size[0] - boxes[:, 0], boxes[:, 3]], axis=1)
        there: NDArray[Any] = boxes + np.array([self.left, self.above] * 2)
        return there


def changed(photo: bytes) -> Iterator[tuple[Change, bytes]]:
    """A photo mirrored, and with black to its left and above it; as JPEG files."""
    image = Image.open(io.BytesIO(photo), formats=["JPEG"])
    width, height = image.size
    yield Change("mirrored", mirrored=True), _jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    left, above = round(width * LEFT), round(height * ABOVE)
    canvas = Image.new(image.mode, (width + left, height + above))
    canvas.paste(image, (left, above))
    yield Change("padded", left=left, above=above), _jpeg(canvas)


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()
