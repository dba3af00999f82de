"""Calls that stall: rare ones that take much longer than usual, which a ratio of usual calls does not tell of."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

LONGER = 3.0  # times as long, beside the other one of the pair, as pairs usually say
_MOSTLY = 0.9  # the share of all stalls that are the copy's, if it stalls and native does not


@dataclass(frozen=True, slots=True)
class Stalls:
    """How many of the pairs had a call of either that stalled."""

    native: int
    copy: int
    pairs: int

    @property
    def evidence(self) -> float:
        """The logarithm of the likelihood ratio: the copy stalls ÷ both are disturbed alike, by the machine."""
        return self.copy * log(_MOSTLY / 0.5) + self.native * log((1 - _MOSTLY) / 0.5)


def stalls(pairs: Sequence[tuple[float, float]]) -> Stalls:
    """What pairs of seconds, native's and the copy's, tell."""
    logs = np.log(np.array(pairs, np.float64).reshape(-1, 2))
    apart = logs[:, 0] - logs[:, 1]
    apart -= np.median(apart) if len(apart) else 0.0
    return Stalls(int((apart > log(LONGER)).sum()), int((apart < -log(LONGER)).sum()), len(apart))
