"""Pictures fitted to a fixed size, and where they lie in it (numpy)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below and to the right of a padded picture: what YOLOX pads with, and near to ImageNet's mean, tensorflow/tpu's.
_GREY = 114

Size = tuple[int, int]  # width, height
Decoded = NDArray[np.uint8]  # height, width, 3


@dataclass(frozen=True, slots=True)
class Placed:
    """How a picture lies in what the model was given: its pixels are `scale` times as large.

    For JPEG files what the model was given is the picture itself.
    """

    size: Size  # of the picture as sent
    given: Size
    scale: tuple[float, float] = (1.0, 1.0)  # in x, in y
    at: tuple[int, int] = (0, 0)  # where its left upper corner is, in pixels of what was given


def fit(pixels: Decoded, into: Size, how: str) -> tuple[NDArray[Any], Placed]:
    """A picture of the size `into`; stretched, or scaled by one factor and padded with grey.

    Below and to the right, or on both sides: as `converter.description.FITS` says.
    """
    height, width = pixels.shape[:2]
    if how == "stretch":
        return resized(pixels, into), Placed((width, height), into, (into[0] / width, into[1] / height))
    factor = min(into[0] / width, into[1] / height)
    inner = (max(1, int(width * factor)), max(1, int(height * factor)))  # cut off, as YOLOX does it
    left, top = ((into[0] - inner[0]) // 2, (into[1] - inner[1]) // 2) if how == "pad-centre" else (0, 0)
    canvas = np.full((into[1], into[0], 3), _GREY, np.float32)
    canvas[top : top + inner[1], left : left + inner[0]] = resized(pixels, inner)
    return canvas, Placed((width, height), into, (inner[0] / width, inner[1] / height), (left, top))


def resized(pixels: NDArray[Any], into: Size) -> NDArray[np.float32]:
    """Bilinear between the centres of pixels, without smoothing, as tf.image.resize does it by itself."""
    height, width = pixels.shape[:2]
    if (width, height) == into:
        return pixels.astype(np.float32)
    low_y, high_y, share_y = _between(height, into[1])
    low_x, high_x, share_x = _between(width, into[0])
    above, below = pixels[low_y], pixels[high_y]  # only the rows that are needed
    share = share_x[:, np.newaxis]
    upper = _mixed(above[:, low_x], above[:, high_x], share)
    lower = _mixed(below[:, low_x], below[:, high_x], share)
    return _mixed(upper, lower, share_y[:, np.newaxis, np.newaxis])


def _mixed(first: NDArray[Any], second: NDArray[Any], share: NDArray[np.float32]) -> NDArray[np.float32]:
    mixed: NDArray[np.float32] = first + (second.astype(np.float32) - first) * share
    return mixed


def _between(size: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each new pixel the two old ones around its centre, and how near it is to the second."""
    at = (np.arange(wanted, dtype=np.float32) + 0.5) * np.float32(size / wanted) - 0.5
    low = np.floor(at)
    share = at - low
    first, second = (np.clip(each, 0, size - 1).astype(np.intp) for each in (low, low + 1))
    return first, second, share
