"""What is asked of a copy before it answers in native's place, and when it is taken back."""

from dataclasses import dataclass, field

from converter.tolerance import Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What the gate asks."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    speedup: float = 1.02  # what the lower bound of native ÷ copy must be above at one load
    seconds: float = 10.0  # most that timing takes with pictures of one size class, a least number of pairs apart


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRule:
    """How much failing in live pairs is borne; disagreement is judged by the gate's own test."""

    pairs: int = 200  # in a window
    share: float = 0.1  # of them that may fail
