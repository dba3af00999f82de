"""How far boxes overlap, and which are partners for it: plain numbers, whatever the boxes are of."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Rows = NDArray[np.intp]


def iou(a: Numbers, b: Numbers) -> Numbers:
    """Intersection over union of boxes given as (4, …) corners; 1 for equal boxes, even without an area."""
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    either = _area(a) + _area(b) - both
    overlap: Numbers = both / np.maximum(either, np.finfo(np.float64).tiny)
    if not either.all():
        overlap[(either == 0) & (a == b).all(axis=0)] = 1
    return overlap


def partners(overlaps: Numbers) -> Rows:
    """Places of one-to-one pairs: each column in turn takes the free row of its largest number that is not 0."""
    rows, columns = np.nonzero(overlaps)
    in_turn = np.lexsort((rows, -overlaps[rows, columns], columns))
    taken: dict[int, int] = {}  # row: column
    served: set[int] = set()
    for row, column in zip(rows[in_turn].tolist(), columns[in_turn].tolist(), strict=True):
        if row not in taken and column not in served:
            taken[row] = column
            served.add(column)
    return np.array(list(taken.items()), np.intp).reshape(-1, 2)


def _area(corners: Numbers) -> Numbers:
    area: Numbers = np.maximum(corners[2] - corners[0], 0) * np.maximum(corners[3] - corners[1], 0)
    return area
