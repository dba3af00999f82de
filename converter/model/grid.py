"""How coarse the grid is that a model rounds its boxes to."""

import numpy as np
from numpy.typing import NDArray

_FEWEST = 24  # numbers; of fewer ones it may be by chance that all of them are multiples of one step
_EXACT = 0.02  # steps that a number may be off its multiple


def step(numbers: NDArray[np.float64]) -> float:
    """The step of which all numbers are multiples, in their unit; 0 if there is none.

    Detectors that compute boxes in integers, as quantised ones do, answer in such steps.
    """
    distinct = np.unique(np.round(numbers[np.isfinite(numbers)], 6))
    if numbers.size < _FEWEST or len(distinct) < 2:
        return 0.0
    smallest = float(np.diff(distinct).min())
    multiples = distinct / smallest
    return smallest if bool((np.abs(multiples - np.round(multiples)) <= _EXACT).all()) else 0.0
