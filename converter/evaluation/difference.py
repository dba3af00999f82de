"""How much less right a copy is than native, with an interval: a paired bootstrap over pictures.

Pictures are drawn with replacement, for both alike (Efron 1979): what makes a picture hard is hard for both, and does
not count. The interval is Student's, by the bootstrap's standard error: percentiles of the differences are too narrow
for few pictures (`benchmarks/accuracy_interval.py`). It says how much other pictures of the same kind would tell
something else; not what other annotations would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from converter.comparison.timing import student
from converter.evaluation.precision import CategoryMatches, Numbers, mean_average_precision

FEWEST = 20  # pictures; of fewer no interval is told
RESAMPLES = 1000
CONFIDENCE = 0.95
_TOGETHER = 50  # resamples that are computed at once, which bounds the memory


@dataclass(frozen=True, slots=True)
class Difference:
    """The copy's mean average precision less native's; bounds of the 95 % interval, None with few pictures."""

    value: float
    low: float | None
    high: float | None


def difference(
    native: Sequence[CategoryMatches], copy: Sequence[CategoryMatches], *, pictures: int, resamples: int = RESAMPLES
) -> Difference:
    """Of the same pictures, so many; equal input, equal answer."""
    once = np.ones((1, pictures))
    value = float((mean_average_precision(copy, once) - mean_average_precision(native, once))[0])
    if pictures < FEWEST:
        return Difference(value, None, None)
    rng = np.random.default_rng(0)
    found: list[Numbers] = []
    for start in range(0, resamples, _TOGETHER):
        drawn = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=min(_TOGETHER, resamples - start))
        weights = drawn.astype(np.float64)
        found.append(mean_average_precision(copy, weights) - mean_average_precision(native, weights))
    error = float(np.nanstd(np.concatenate(found), ddof=1)) * sqrt(pictures / (pictures - 1))
    half = error * student(CONFIDENCE, freedom=pictures - 1)
    return Difference(value, value - half, value + half)
