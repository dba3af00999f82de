"""Live pairs of answers, native's and a copy's: what they say of each copy, and what follows from it.

A copy whose verdict the gate left open gets it here; one that disagrees or fails too often is taken out of `auto`.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.metrics import Metrics
from app.rules import RollbackRule
from app.verdicts.gate import Gate
from app.verdicts.routing import Routing
from app.verdicts.window import JudgedPair, Window
from converter.comparison.agreement import BoxPair, box_pairs, compare, total
from converter.model.detections import Detections
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

FEWEST_FOR_ROLLBACK = 20  # pairs in the window

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

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Native's and the copy's, if both ran alone."""
        return None if self.native_s is None or self.copy_s is None else (self.native_s, self.copy_s)


class LivePairs:
    """Takes pairs, observes them, and acts on what the window of a copy says."""

    def __init__(self, routing: Routing, gate: Gate, metrics: Metrics, *, rule: RollbackRule) -> None:
        self._routing, self._gate, self._metrics, self._rule = routing, gate, metrics, rule
        self._tolerance: Tolerance = gate.rules.tolerance
        self._windows: dict[str, Window] = {}

    def forget(self, copy: str) -> None:
        """Begin anew with a copy: another model serves under its name."""
        self._windows.pop(copy, None)

    def forgive(self) -> None:
        """Begin anew with every copy that was rolled back: an admin gives it another chance."""
        for copy in self._routing.copies:
            if self._routing.standing(copy).rolled_back:
                self.forget(copy)

    def add(self, pair: Pair) -> None:
        """Count a pair and act on it."""
        window = self._windows.setdefault(pair.copy, Window(self._rule.pairs))
        judged = self.judge(pair)
        window.add(judged)
        if not judged.agrees:
            log.info("pair disagrees copy=%s request_id=%s reason=%r", pair.copy, pair.request_id, judged.reason)
        self._observe(pair, judged)
        self._finish_verdict(pair.copy, window)
        self._roll_back_if_needed(pair.copy, window)

    def to_json(self, copy: str) -> dict[str, Any]:
        """What the copy's window says, as plain data."""
        return (self._windows.get(copy) or Window(0)).to_json()

    def judge(self, pair: Pair, *, threshold: float | None = None, classes: frozenset[int] | None = None) -> JudgedPair:
        """How the two answers differ; by the gate's limits, unless another threshold or some classes are asked for."""
        if pair.found is None:
            return JudgedPair(pair.request_id, time.time(), None, False, pair.error or "the copy failed", None)
        tolerance = self._tolerance if threshold is None else replace(self._tolerance, threshold=threshold)
        compared = compare(_of(pair.native, classes), _of(pair.found, classes), tolerance)
        verdict = total([compared]).verdict(replace(tolerance, fewest_boxes=0))  # a single box is enough
        agrees = verdict.word == "agrees"
        reason = "" if agrees else verdict.reason
        return JudgedPair(pair.request_id, time.time(), compared, agrees, reason, pair.seconds)

    def box_pairs(
        self, native: Detections, copy: Detections, *, threshold: float, classes: frozenset[int] | None
    ) -> list[BoxPair]:
        """What `judge` counts, box by box; rows are those of the boxes of `classes`."""
        return box_pairs(_of(native, classes), _of(copy, classes), replace(self._tolerance, threshold=threshold))

    def _observe(self, pair: Pair, judged: JudgedPair) -> None:
        self._metrics.compare_pairs.labels(pair.copy, pair.source, judged.result).inc()
        if judged.seconds is not None:
            self._metrics.compare_ratio.labels(pair.copy).observe(judged.seconds[0] / judged.seconds[1])
        if judged.compared is not None:
            self._metrics.observe_comparison(pair.copy, judged.compared)

    def _finish_verdict(self, copy: str, window: Window) -> None:
        """If the gate's pictures had too few boxes: count those of the live pairs with them."""
        verdict = self._routing.standing(copy).verdict
        if verdict is None or verdict.word != "undecided":
            return
        agreement = {size: total([each, *window.compared]) for size, each in verdict.agreement.items()}
        decided = self._gate.decide(copy, agreement, verdict.ratios, verdict.over_frozen)
        if decided.word == "undecided":
            return
        log.info("live pairs judged copy=%s verdict=%s reason=%r", copy, decided.word, decided.reason)
        self._routing.amend_verdict(copy, decided)

    def _roll_back_if_needed(self, copy: str, window: Window) -> None:
        if len(window) < FEWEST_FOR_ROLLBACK:
            return
        self._roll_back_for("errors", "failed in", copy, window.failed, len(window))
        self._roll_back_for("disagreement", "disagreed in", copy, window.disagreed, len(window))

    def _roll_back_for(self, kind: str, verb: str, copy: str, bad: Sequence[JudgedPair], pairs: int) -> None:
        if len(bad) > self._rule.share * pairs:
            share = f"{len(bad)} of the last {pairs} pairs ({100 * self._rule.share:g} % are borne)"
            self._routing.roll_back(copy, kind=kind, reason=f"it {verb} {share}, last: {bad[-1].reason}")


def _of(found: Detections, classes: frozenset[int] | None) -> Detections:
    return found if classes is None else found.best(threshold=0, limit=len(found), classes=classes)
