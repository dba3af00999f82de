"""The last pairs of one copy: what is kept of each, and what they say together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converter.comparison.agreement import total
from converter.comparison.matching import Comparison
from converter.comparison.timing import Ratio, paired_ratio
from converter.sizes import SIZES, SizeName

FEWEST_FOR_RATIO = 12
WORST = 20  # disagreements that are kept to be looked at
ALL = "all"  # size classes


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """What is kept of a pair."""

    request_id: str
    at: float  # of time.time
    compared: Comparison | None  # None: the copy failed
    agrees: bool
    reason: str  # why it does not agree, or what failed
    seconds: tuple[float, float] | None  # native, copy
    size: SizeName = "small"  # of the picture

    @property
    def disagrees(self) -> bool:
        """Whether the copy answered, and answered something else."""
        return self.compared is not None and not self.agrees

    @property
    def result(self) -> str:
        """As the metrics call it."""
        if self.compared is None:
            return "error"
        return "agree" if self.agrees else "disagree"

    def to_json(self) -> dict[str, Any]:
        """How the copy's answer differs, as plain data."""
        found: dict[str, Any] = {"agree": self.agrees}
        if self.compared is not None:
            numbers = total([self.compared]).to_json()
            kept = ("matched", "missing", "extra", "class_flips", "mean_iou", "largest_score_diff")
            found |= {name: numbers[name] for name in kept}
        return {**found, "reason": self.reason}


class Window:
    """The last so many pairs of one copy, and the last that disagreed."""

    def __init__(self, pairs: int) -> None:
        self._pairs: deque[JudgedPair] = deque(maxlen=pairs)
        self._worst: deque[JudgedPair] = deque(maxlen=WORST)
        self._ratios: dict[str, Ratio | None] = {}  # that are known of these pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, pair: JudgedPair) -> None:
        """Keep a pair in place of the oldest."""
        self._pairs.append(pair)
        self._ratios.clear()
        if not pair.agrees:
            self._worst.append(pair)

    @property
    def failed(self) -> Sequence[JudgedPair]:
        """Those in which the copy failed."""
        return [pair for pair in self._pairs if pair.compared is None]

    @property
    def disagreed(self) -> Sequence[JudgedPair]:
        """Those in which the copy answered something else."""
        return [pair for pair in self._pairs if pair.disagrees]

    @property
    def compared(self) -> Sequence[Comparison]:
        """How the answers differ, of every pair that has two."""
        return [pair.compared for pair in self._pairs if pair.compared is not None]

    def to_json(self) -> dict[str, Any]:
        """What the window says, as plain data."""
        return {
            "pairs": len(self),
            "disagree": len(self.disagreed),
            "errors": len(self.failed),
            "agreement": total(self.compared).to_json(),
            "native_over_copy": _told(self.ratio(ALL)),
            "sizes": {size: {"native_over_copy": _told(self.ratio(size))} for size in SIZES},
            "worst": [
                {"request_id": pair.request_id, "at": round(pair.at, 3), **pair.to_json()}
                for pair in sorted(self._worst, key=_badness, reverse=True)
            ],
        }

    def ratio(self, size: str) -> Ratio | None:
        """Native ÷ copy of pairs of one size class, or of ALL; None of few."""
        if size not in self._ratios:
            pairs = [pair for pair in self._pairs if size in (ALL, pair.size)]
            seconds = [pair.seconds for pair in pairs if pair.seconds is not None]
            enough = len(seconds) >= FEWEST_FOR_RATIO
            self._ratios[size] = paired_ratio(*zip(*seconds, strict=True)) if enough else None
        return self._ratios[size]


def _told(ratio: Ratio | None) -> dict[str, float | int] | None:
    return ratio.to_json() if ratio else None


def _badness(pair: JudgedPair) -> tuple[int, float]:
    """Failures first, then what is missing, too much or of another class, then the scores."""
    if pair.compared is None:
        return (1_000_000, 0.0)
    compared = pair.compared
    wrong = compared.missing + compared.extra + compared.class_flips
    return (wrong, float(max(compared.score_diffs, default=0.0)))
