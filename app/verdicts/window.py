"""The last pairs of one copy: what is kept of each, and what they say together."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from converter.comparison.agreement import Comparison, total
from converter.comparison.timing import paired_ratio

FEWEST_FOR_RATIO = 12
WORST = 20  # disagreements that are kept to be looked at


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """What is kept of a pair."""

    request_id: str
    at: float  # of time.time
    compared: Comparison | None  # None: the copy failed
    agrees: bool
    reason: str  # why it does not agree, or what failed
    seconds: tuple[float, float] | None  # native, copy

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

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, pair: JudgedPair) -> None:
        """Keep a pair in place of the oldest."""
        self._pairs.append(pair)
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
            "native_over_copy": self._ratio(),
            "worst": [
                {"request_id": pair.request_id, "at": round(pair.at, 3), **pair.to_json()}
                for pair in sorted(self._worst, key=_badness, reverse=True)
            ],
        }

    def _ratio(self) -> dict[str, float | int] | None:
        seconds = [pair.seconds for pair in self._pairs if pair.seconds is not None]
        if len(seconds) < FEWEST_FOR_RATIO:
            return None
        native, copy = zip(*seconds, strict=True)
        return paired_ratio(native, copy).to_json()


def _badness(pair: JudgedPair) -> tuple[int, float]:
    """Failures first, then what is missing, too much or of another class, then the scores."""
    if pair.compared is None:
        return (1_000_000, 0.0)
    compared = pair.compared
    wrong = compared.missing + compared.extra + compared.class_flips
    return (wrong, float(max(compared.score_diffs, default=0.0)))
