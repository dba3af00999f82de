"""The size of the picture that boxes may be pixels of, from where they are in mirrored and padded photos."""

from collections.abc import Iterator, Sequence

import numpy as np

from converter.model.box_forms import ordered
from converter.model.moving import Pair
from converter.reading import CORNER, Reading

_USUAL = 32  # sides are mostly multiples of it
_NEAR = 0.02  # shares of a side
_LEAST = 16  # pixels


def inner_readings(pairs: Sequence[Pair], order: str, pads: Sequence[str]) -> Iterator[Reading]:
    """The readings of this order in pixels of a square of a fixed size, stretched to or padded, that boxes may have."""
    for pad in ("", *pads):
        side = _median(_widths(pairs, order, pad))
        if side >= _LEAST:
            yield Reading(order=order, inner=(_side(side), _side(side)), pad=pad)


def uneven_readings(pairs: Sequence[Pair], order: str) -> Iterator[Reading]:
    """The reading in pixels of a picture of two different sides, both of which had to be measured."""
    width, height = _median(_widths(pairs, order, "")), _median(_heights(pairs, order))
    if min(width, height) >= _LEAST:
        yield Reading(order=order, inner=(_side(width), _side(height)))


def _widths(pairs: Sequence[Pair], order: str, pad: str) -> Iterator[float]:
    """An object's left edge in a photo and its right one in the mirrored one are the width together."""
    for pair in pairs:
        if pair.change.mirrored:
            width, height = pair.photo.placed.given
            filled = width / max(width, height) if pad == CORNER else 1.0
            before, after = ordered(pair.photo.rows.boxes, order), ordered(pair.changed.rows.boxes, order)
            for number, again in pair.nearest():
                yield float(before[number, 0] + after[again, 2]) / filled


def _heights(pairs: Sequence[Pair], order: str) -> Iterator[float]:
    """Stretched to a height S, what is at y of H rows is at S·(y + a) / (H + a) with a rows above it."""
    for pair in pairs:
        if above := pair.change.above:
            height = pair.photo.placed.size[1]
            before, after = ordered(pair.photo.rows.boxes, order), ordered(pair.changed.rows.boxes, order)
            for number, again in pair.nearest():
                middle, moved = before[number, [1, 3]].mean(), after[again, [1, 3]].mean()
                yield float(moved * (height + above) - middle * height) / above


def _median(values: Iterator[float]) -> float:
    found = list(values)
    return float(np.median(found)) if found else 0.0


def _side(measured: float) -> int:
    """A side in pixels: the usual one if it is as near as can be measured."""
    usual = max(1, round(measured / _USUAL)) * _USUAL
    return usual if abs(usual - measured) <= _NEAR * measured else round(measured)
