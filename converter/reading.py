"""What the four numbers of a box mean, as a word: their order, what they count, and of which picture."""

import re
from dataclasses import dataclass, replace
from typing import Self

# Two corners, or a corner and the size, or the centre and the size; y before x or x before y.
ORDERS = ("yxyx", "xyxy", "xywh", "cxcywh")
PIXELS, SHARES, SCALED = "", "_norm", "_scaled"
# Where the picture lies in a shape that it was padded to: its middle, its upper left corner, or one of the two.
CENTRE, CORNER, EITHER = "+pad-centre", "+pad-corner", "+pad"
FORM = "ORDER[_norm|_scaled][@HEIGHTxWIDTH][+pad]"
EXAMPLES = ("yxyx", "xyxy_norm", "cxcywh", "yxyx@320x320", "yxyx@640x640+pad", "yxyx_norm+pad")
_TEXT = re.compile(
    rf"({'|'.join(ORDERS)})({SHARES}|{SCALED})?(?:@([1-9]\d{{0,4}})x([1-9]\d{{0,4}}))?(\+pad(?:-centre|-corner)?)?"
)

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read boxes.

    `unit` says what the numbers count: pixels, shares, or pixels of what the graph's own `image_info` tells. Of what
    the model was given; with `inner`, of a picture of that width and height, to which the graph stretches what it was
    given, or with `pad` scales it by one factor and pads it. Shares of a padded picture without `inner`: of a square.
    """

    order: str
    unit: str = PIXELS
    inner: Size | None = None
    pad: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reading of a word like `yxyx_norm` or `xyxy@320x320+pad`; ValueError with a sentence if it is none."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not {FORM}, with an order of {', '.join(ORDERS)}: {', '.join(EXAMPLES)}")
        order, unit, height, width, pad = found.groups(default="")
        reading = cls(order=order, unit=unit, inner=(int(width), int(height)) if height else None, pad=pad)
        if wrong := reading.contradiction():
            raise ValueError(f"{text!r} {wrong}")
        return reading

    def contradiction(self) -> str | None:
        """What is wrong with its parts together, or None."""
        shaped = (bool(self.inner), bool(self.pad))
        padded = f"needs the shape to which pictures are padded, like {self.order}@640x640{self.pad}"
        shares = f"has a shape, and shares are the same of any: {self.order}{self.unit} is meant"
        told = {(PIXELS, (False, True)): padded, (SHARES, (True, False)): shares}
        scaled = "has a shape, and how pictures are scaled is told by image_info"
        return scaled if self.unit == SCALED and any(shaped) else told.get((self.unit, shaped))

    @property
    def choices(self) -> tuple["Reading", ...]:
        """The readings that this one leaves open: where the picture lies in what it was padded to."""
        if self.pad != EITHER:
            return (self,)
        return (replace(self, pad=CENTRE), replace(self, pad=CORNER))

    @property
    def is_open(self) -> bool:
        """Whether it leaves that open."""
        return self.pad == EITHER

    def __str__(self) -> str:
        shape = f"@{self.inner[1]}x{self.inner[0]}" if self.inner else ""
        return f"{self.order}{self.unit}{shape}{self.pad}"
