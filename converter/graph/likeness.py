"""How far the same tensor lies apart in two libraries, and whether that is more than rounding in one operation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 1e-4  # of the largest value, in FP32: what sums of a hundred thousand terms lose
_ROUNDING_OF_HALF = 2e-2  # the same where the model itself computes in FP16 or bfloat16


@dataclass(frozen=True, slots=True)
class Difference:
    """More than rounding."""

    most: float  # infinite where shapes or what is finite differ
    reach: float  # the largest value
    share: float  # of the values that are apart

    def __str__(self) -> str:
        return f"by up to {self.most:.3g} where values reach {self.reach:.3g}, in {100 * self.share:.3g} % of them"


def difference(ours: NDArray[Any], theirs: NDArray[Any], *, half: bool = False) -> Difference | None:
    """None where two tensors are the same but for rounding."""
    if ours.shape != theirs.shape:
        return Difference(float("inf"), float("nan"), 1.0)
    before, after = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    finite = np.isfinite(before) & np.isfinite(after)
    unlike = ~finite & ~((before == after) | (np.isnan(before) & np.isnan(after)))
    reach = float(np.abs(before[finite]).max(initial=0.0))
    exact = ours.dtype.kind in "biu"
    allowed = 0.0 if exact else reach * (_ROUNDING_OF_HALF if half else _ROUNDING)
    distance = np.abs(before - after, where=finite, out=np.zeros_like(before))
    apart = unlike | (distance > allowed)
    if not apart.any():
        return None
    most = float("inf") if unlike.any() else float(distance.max())
    return Difference(most, reach, float(apart.mean()))
