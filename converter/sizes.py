"""Size classes of pictures: how much of a call decoding is, and so what a copy gains, goes with the pixels."""

from typing import Literal, get_args

SizeName = Literal["small", "medium", "large"]
SIZES: tuple[SizeName, ...] = get_args(SizeName)  # the smallest first, which is judged first
SMALL_PIXELS, LARGE_PIXELS = 500_000, 4_000_000  # small up to the one, large above the other
WORDS: dict[SizeName, str] = {"small": "up to 0.5 MP", "medium": "0.5 to 4 MP", "large": "over 4 MP"}
# What the packaged photos, which are small, are enlarged to where a picture of a class is needed.
ENLARGED: dict[SizeName, int] = {"medium": 2_000_000, "large": 12_000_000}


def size_class(pixels: int) -> SizeName:
    """The class of a picture with so many pixels."""
    if pixels <= SMALL_PIXELS:
        return "small"
    return "medium" if pixels <= LARGE_PIXELS else "large"
