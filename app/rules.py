"""What is asked of a copy before it answers in native's place, and when it is taken back."""

from dataclasses import dataclass, field

from converter.tolerance import Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What the gate asks."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    speedup: float = 1.02  # what the lower bound of native ÷ copy must be above at one batch size
    seconds: float = 10.0  # most that timing takes at each batch size, a least number of pairs apart


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRule:
    """How much disagreement of live pairs is borne."""

    pairs: int = 200  # in a window
    share: float = 0.1  # of them that may disagree, and that may fail
