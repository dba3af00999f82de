"""Live pairs of answers, native's and a copy's: what they say of each copy, and what follows from it.

A copy whose verdict the gate left open gets it here; one that disagrees or fails too often is taken out of `auto`.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.metrics import Metrics
from app.verdicts.gate import Gate
from app.verdicts.routing import Election
from converter.comparison.agreement import Comparison as PictureComparison
from converter.comparison.agreement import compare, total
from converter.comparison.timing import paired_ratio
from converter.model.detections import Detections
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

FEWEST_FOR_ROLLBACK = 20  # pairs in the window
FEWEST_FOR_RATIO = 12
WORST = 20  # disagreements that are kept to be looked at

Source = Literal["shadow", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What native and a copy answered to one picture."""

    copy: str
    source: Source
    request_id: str
    native: Detections
    found: Detections | None  # the copy's; None if it failed
    native_s: float | None = None  # set if both ran alone, one after the other
    copy_s: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a pair."""

    request_id: str
    at: float  # of time.time
    compared: PictureComparison | None
    agrees: bool
    reason: str  # why it does not agree, or what failed
    seconds: tuple[float, float] | None  # native, copy

    def to_json(self) -> dict[str, Any]:
        """How the copy's answer differs, as plain data."""
        found: dict[str, Any] = {"agree": self.agrees}
        if self.compared is not None:
            numbers = total([self.compared]).to_json()
            kept = ("matched", "missing", "extra", "class_flips", "mean_iou", "largest_score_diff")
            found |= {name: numbers[name] for name in kept}
        return {**found, "reason": self.reason}


@dataclass(slots=True)
class Window:
    """The last pairs of one copy."""

    seen: deque[Seen]
    worst: deque[Seen] = field(default_factory=lambda: deque(maxlen=WORST))  # the last that disagreed


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much disagreement is borne."""

    pairs: int = 200  # in a window
    share: float = 0.1  # of them that may disagree, and that may fail


class Comparison:
    """Takes pairs, observes them, and acts on what the window of a copy says."""

    def __init__(self, election: Election, gate: Gate, metrics: Metrics, *, patience: Patience) -> None:
        self._election, self._gate, self._metrics, self._patience = election, gate, metrics, patience
        self._limits: Tolerance = gate.rules.limits
        self._windows: dict[str, Window] = {}

    def forget(self, copy: str) -> None:
        """Begin anew with a copy: another model serves under its name."""
        self._windows.pop(copy, None)

    def forgive(self) -> None:
        """Begin anew with every copy that was rolled back: an admin gives it another chance."""
        for copy in self._election.copies:
            if self._election.rolled_back(copy):
                self.forget(copy)

    def add(self, pair: Pair) -> None:
        """Count a pair and act on it."""
        window = self._windows.setdefault(pair.copy, Window(deque(maxlen=self._patience.pairs)))
        seen = self.look(pair)
        window.seen.append(seen)
        if not seen.agrees:
            window.worst.append(seen)
            log.info("pair disagrees copy=%s request=%s reason=%r", pair.copy, pair.request_id, seen.reason)
        self._observe(pair, seen)
        self._act(pair.copy, window)

    def to_json(self, copy: str) -> dict[str, Any]:
        """What the copy's window says, as plain data."""
        window = self._windows.get(copy) or Window(deque())
        compared = [seen.compared for seen in window.seen if seen.compared is not None]
        return {
            "pairs": len(window.seen),
            "disagree": sum(not seen.agrees and seen.compared is not None for seen in window.seen),
            "errors": sum(seen.compared is None for seen in window.seen),
            "agreement": total(compared).to_json(),
            "native_over_copy": self._ratio(window),
            "worst": [
                {"request_id": seen.request_id, "at": round(seen.at, 3), **seen.to_json()}
                for seen in sorted(window.worst, key=_badness, reverse=True)
            ],
        }

    def look(self, pair: Pair, *, threshold: float | None = None, classes: frozenset[int] | None = None) -> Seen:
        """How the two answers differ; by the gate's limits, unless another threshold or some classes are asked for."""
        if pair.found is None:
            return Seen(pair.request_id, time.time(), None, False, pair.error or "the copy failed", None)
        limits = self._limits if threshold is None else replace(self._limits, threshold=threshold)
        ours, theirs = (_of(found, classes) for found in (pair.native, pair.found))
        compared = compare(ours, theirs, limits)
        verdict = total([compared]).verdict(replace(limits, fewest_boxes=0))  # a single box is enough
        seconds = None if pair.native_s is None or pair.copy_s is None else (pair.native_s, pair.copy_s)
        agrees = verdict.word == "agrees"
        return Seen(pair.request_id, time.time(), compared, agrees, "" if agrees else verdict.reason, seconds)

    def _observe(self, pair: Pair, seen: Seen) -> None:
        result = "error" if seen.compared is None else "agree" if seen.agrees else "disagree"
        self._metrics.compare_pairs.labels(pair.copy, pair.source, result).inc()
        if seen.seconds is not None:
            self._metrics.compare_ratio.labels(pair.copy).observe(seen.seconds[0] / seen.seconds[1])
        if seen.compared is not None:
            self._metrics.observe_comparison(pair.copy, seen.compared)

    def _act(self, copy: str, window: Window) -> None:
        verdict = self._election.verdict(copy)
        if verdict is not None and verdict.word == "undecided":
            self._finish(copy, window)
        if len(window.seen) < FEWEST_FOR_ROLLBACK:
            return
        failed = [seen for seen in window.seen if seen.compared is None]
        disagreed = [seen for seen in window.seen if not seen.agrees and seen.compared is not None]
        for kind, bad in (("errors", failed), ("disagreement", disagreed)):
            if len(bad) > self._patience.share * len(window.seen):
                share = f"{len(bad)} of the last {len(window.seen)} pairs ({100 * self._patience.share:g} % are borne)"
                verb = "failed in" if kind == "errors" else "disagreed in"
                self._election.roll_back(copy, kind=kind, reason=f"it {verb} {share}, last: {bad[-1].reason}")

    def _finish(self, copy: str, window: Window) -> None:
        """The gate's pictures had too few boxes: count those of the live pairs with them."""
        verdict = self._election.verdict(copy)
        if verdict is None:
            return
        live = [seen.compared for seen in window.seen if seen.compared is not None]
        agreement = {size: total([each, *live]) for size, each in verdict.agreement.items()}
        decided = self._gate.decide(copy, agreement, verdict.ratios, verdict.over_frozen)
        if decided.word == "undecided":
            return
        log.info("live pairs judged copy=%s verdict=%s reason=%r", copy, decided.word, decided.reason)
        self._election.amended(copy, decided)

    def _ratio(self, window: Window) -> dict[str, float | int] | None:
        seconds = [seen.seconds for seen in window.seen if seen.seconds is not None]
        if len(seconds) < FEWEST_FOR_RATIO:
            return None
        native, copy = zip(*seconds, strict=True)
        return paired_ratio(native, copy).to_json()


def _of(found: Detections, classes: frozenset[int] | None) -> Detections:
    return found if classes is None else found.best(threshold=0, limit=len(found), classes=classes)


def _badness(seen: Seen) -> tuple[int, float]:
    """Failures first, then what is missing, too much or of another class, then the scores."""
    if seen.compared is None:
        return (1_000_000, 0.0)
    compared = seen.compared
    wrong = compared.missing + compared.extra + compared.class_flips
    return (wrong, float(max(compared.score_diffs, default=0.0)))
