"""How far off a share of boxes may be that was counted on some photos: an interval, by a bootstrap over photos.

The unit is the photo, as in the sequential test: boxes of one photo go wrong together, and variations of one photo are
no different photos. The interval tells, the test decides: looking at an interval again and again is no test.
"""

from collections.abc import Sequence
from math import exp, log

import numpy as np

from converter.comparison.sequential import Counted

FEWEST = 20  # photos; of fewer there is no interval
RESAMPLES = 400
_OUTSIDE = 0.05  # the chance that the interval does not hold the share


def interval(photos: Sequence[Counted]) -> tuple[float, float] | None:
    """Bounds of the share of wrong boxes; equal input, equal answer.

    Where none is wrong resamples tell nothing: then the upper bound is the share of photos with a wrong box that so
    many photos would hide with that chance.
    """
    if len(photos) < FEWEST:
        return None
    if not any(photo.wrong for photo in photos):
        return 0.0, 1 - exp(log(_OUTSIDE / 2) / len(photos))
    counts = np.array([(photo.wrong, photo.boxes) for photo in photos], float)
    drawn = np.random.default_rng(0).integers(len(photos), size=(RESAMPLES, len(photos)))
    wrong, boxes = counts[drawn].sum(axis=1).T
    low, high = np.quantile(wrong / np.maximum(boxes, 1), [_OUTSIDE / 2, 1 - _OUTSIDE / 2]).tolist()
    return low, high
