"""Is what lies between two models' boxes more than rounding in FP32?

FP32 has seven digits. Through a hundred layers a few of them get lost, not four: partners differ in their fifth digit.
Where two scores are nearly the same, rounding decides which box survives suppression; that happens to few.
"""

from collections.abc import Iterable

import numpy as np

from converter.comparison.matching import differences
from converter.model.detections import Detections
from converter.tolerance import Tolerance

_RELATIVE = 1e-3  # of a score, and of the largest coordinate in a picture
_FEW = 0.02  # of the objects may differ by more


def beyond(pairs: Iterable[tuple[Detections, Detections]], tolerance: Tolerance) -> bool:
    """Whether more than a few objects differ by more; pairs of native and the copy, picture by picture."""
    objects = apart = 0
    for native, copy in pairs:
        found = differences(native, copy, tolerance)
        alone = len(found.missing) + len(found.extra) + len(found.class_flips)
        ours, theirs = found.matched.T
        reach = np.abs(native.boxes[ours]).max(initial=1.0)
        moved = np.abs(native.boxes[ours] - copy.boxes[theirs]).max(axis=1, initial=0.0) / reach
        scored = np.abs(native.scores[ours] - copy.scores[theirs])
        objects += len(ours) + alone
        apart += int((np.maximum(moved, scored) > _RELATIVE).sum()) + alone
    return apart > _FEW * objects
