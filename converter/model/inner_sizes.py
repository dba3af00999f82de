"""The size of the picture that boxes may be pixels of, from where they are in mirrored and padded photos."""

from collections.abc import Iterator, Sequence

import numpy as np

from converter.model.box_forms import ordered
from converter.model.moving import Pair
from converter.reading import CORNER, Reading

# Sides are mostly multiples of the step, or among these; or in one of these ratios.
_STEP, _USUAL, _LARGEST = 32, (300, 360, 540, 600, 720, 800, 900, 1000, 1080, 1200, 1333), 4096
_RATIOS = (9 / 16, 3 / 5, 5 / 8, 2 / 3, 3 / 4, 4 / 5, 5 / 4, 4 / 3, 3 / 2, 8 / 5, 5 / 3, 16 / 9)
# Shares of a side: widths are measured by mirrored photos, heights by padded ones, which detectors box less tightly.
_NEAR, _QUITE_NEAR, _ROUGHLY = 0.015, 0.02, 0.08
_LEAST = 16  # pixels


def inner_readings(pairs: Sequence[Pair], order: str, pads: Sequence[str]) -> Iterator[Reading]:
    """The readings of this order in pixels of a square of a fixed size, stretched to or padded, that boxes may have."""
    for pad in ("", *pads):
        side = _median(_widths(pairs, order, pad))
        if side >= _LEAST:
            yield Reading(order=order, inner=(_side(side), _side(side)), pad=pad)


def uneven_readings(pairs: Sequence[Pair], order: str) -> Iterator[Reading]:
    """Those of pictures of two different sides that are usual and as near as can be measured: maybe several."""
    width, height = _median(_widths(pairs, order, "")), _median(_heights(pairs, order))
    if min(width, height) >= _LEAST:
        wide = _side(width)
        yield from (Reading(order=order, inner=(wide, side)) for side in _heights_near(height, wide) if side != wide)


def _heights_near(measured: float, wide: int) -> list[int]:
    """The usual heights beside this width that it may be; what was measured as well, if none of them is quite near."""
    usual = {*range(_STEP, _LARGEST, _STEP), *(round(wide * ratio) for ratio in _RATIOS)}
    near = sorted(side for side in usual if abs(side - measured) <= _ROUGHLY * measured)
    exact = any(abs(side - measured) <= _QUITE_NEAR * measured for side in near)
    return near if exact else [*near, round(measured)]


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
    nearest = min({*_USUAL, *range(_STEP, _LARGEST, _STEP)}, key=lambda side: abs(side - measured))
    return nearest if abs(nearest - measured) <= _NEAR * measured else round(measured)
