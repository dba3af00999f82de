"""Live pairs of answers, native's and a copy's: what they say of each copy, and what follows from it.

A copy whose verdict the gate left open gets it here, by the same test; one that has become bad, or fails too often, is
taken out of `auto`; one that is slower leaves the size of pictures at which it is.
"""

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import nan
from typing import Any, Literal

from app.metrics import Metrics
from app.rules import GateRules, RollbackRule
from app.verdicts.gate import Gate
from app.verdicts.routing import Routing
from app.verdicts.slowness import Slowness
from app.verdicts.verdict import SizeVerdict
from app.verdicts.window import ALL, JudgedPair, Window
from converter.comparison.agreement import Agreement, total
from converter.comparison.matching import BoxPair, Comparison, box_pairs, compare
from converter.comparison.sequential import Shares, Watch
from converter.model.detections import Detections
from converter.sizes import SIZES, SizeName
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

FEWEST_FOR_ROLLBACK = 20  # pairs in the window

BOUNDS = ("value", "low", "high")  # of a ratio and its interval

Source = Literal["shadow", "both"]

# Of a size class of which the gate has no pictures.
_NOTHING = SizeVerdict(word="undecided", reason="", agreement={"1": total([])}, ratios={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What native and a copy answered to one picture."""

    copy: str
    source: Source
    request_id: str
    native: Detections
    found: Detections | None  # the copy's; None if it failed
    size: SizeName = "small"  # of the picture
    photo: str = ""  # its name: the same for the same file
    native_s: float | None = None  # set if both ran alone, one after the other
    copy_s: float | None = None
    error: str = ""

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Native's and the copy's, if both ran alone."""
        return None if self.native_s is None or self.copy_s is None else (self.native_s, self.copy_s)


class LivePairs:
    """Takes pairs, observes them, and acts on what they say."""

    def __init__(self, routing: Routing, gate: Gate, metrics: Metrics, *, rule: RollbackRule) -> None:
        self._routing, self._gate, self._metrics, self._rule = routing, gate, metrics, rule
        self.rules: GateRules = gate.rules
        self._tolerance: Tolerance = gate.rules.tolerance
        self._windows: dict[str, Window] = {}
        self._watches: dict[str, Watch] = {}
        self.slowness = Slowness(routing, speedup=gate.rules.speedup)
        for copy, size, bound in product(routing.copies, (ALL, *SIZES), BOUNDS):
            metrics.speedup.labels(copy, size, bound).set_function(partial(self._bound, copy, size, bound))

    def forget(self, copy: str) -> None:
        """Begin anew with a copy: another model serves under its name."""
        self._windows.pop(copy, None)
        self._watches.pop(copy, None)
        self.slowness.forget(copy)

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
        if judged.seconds is not None:
            self.slowness.add(pair.copy, pair.size, judged.seconds)
        if judged.compared is not None:
            self._finish_verdict(pair.copy, pair.size, judged.compared)
            self._roll_back_if_bad(pair.copy, judged.compared, window)
        self._roll_back_if_failing(pair.copy, window)

    def to_json(self, copy: str) -> dict[str, Any]:
        """What the copy's window says, as plain data."""
        return (self._windows.get(copy) or Window(0)).to_json()

    def judge(self, pair: Pair, *, threshold: float | None = None, classes: frozenset[int] | None = None) -> JudgedPair:
        """How the two answers differ; by the gate's limits, unless another threshold or some classes are asked for."""
        if pair.found is None:
            return JudgedPair(
                pair.request_id, time.time(), None, False, pair.error or "the copy failed", None, pair.size
            )
        tolerance = self._tolerance if threshold is None else replace(self._tolerance, threshold=threshold)
        compared = compare(_of(pair.native, classes), _of(pair.found, classes), tolerance, photo=pair.photo)
        verdict = total([compared]).single(tolerance)
        agrees = verdict.word == "agrees"
        reason = "" if agrees else verdict.reason
        return JudgedPair(pair.request_id, time.time(), compared, agrees, reason, pair.seconds, pair.size)

    def box_pairs(
        self, native: Detections, copy: Detections, *, threshold: float, classes: frozenset[int] | None
    ) -> list[BoxPair]:
        """What `judge` counts, box by box; rows are those of the boxes of `classes`."""
        return box_pairs(_of(native, classes), _of(copy, classes), replace(self._tolerance, threshold=threshold))

    def _bound(self, copy: str, size: str, bound: str) -> float:
        """The same number that is told at /compare, for the metrics."""
        window = self._windows.get(copy)
        ratio = window.ratio(size) if window else None
        return float(getattr(ratio, bound)) if ratio else nan

    def _observe(self, pair: Pair, judged: JudgedPair) -> None:
        self._metrics.compare_pairs.labels(pair.copy, pair.source, judged.result).inc()
        if judged.seconds is not None:
            self._metrics.compare_ratio.labels(pair.copy).observe(judged.seconds[0] / judged.seconds[1])
        if judged.compared is not None:
            self._metrics.observe_comparison(pair.copy, judged.compared)

    def _finish_verdict(self, copy: str, size: SizeName, compared: Comparison) -> None:
        """If the gate left a size class open, or had no pictures of it: count the live pairs with its own."""
        verdict = self._routing.standing(copy).verdict
        left = verdict.sizes.get(size, _NOTHING) if verdict else None
        if verdict is None or left is None or left.word != "undecided":
            return
        decided = self._decided(copy, size, left, compared)
        if decided.word != "undecided":
            log.info("live pairs judged copy=%s size=%s verdict=%s reason=%r", copy, size, decided.word, decided.reason)
        self._routing.amend_verdict(copy, verdict.with_size(size, decided))

    def _decided(self, copy: str, size: SizeName, left: SizeVerdict, compared: Comparison) -> SizeVerdict:
        agreement = {batch: _with(each, compared) for batch, each in left.agreement.items()}
        decided = self._gate.decide(copy, agreement, left.ratios, left.over_frozen)
        if decided.word == "slower" and (not left.ratios or self._gate.unsure(decided)):  # live pairs time it instead
            live = self.slowness.ratio(copy, size)
            decided = self._gate.decide(copy, agreement, {"1": live}, left.over_frozen) if live else decided.untimed()
        return replace(decided, megapixels=left.megapixels)

    def _roll_back_if_bad(self, copy: str, compared: Comparison, window: Window) -> None:
        """A copy that was good may have become bad: by the share of wrong boxes, or by how far partners overlap."""
        limits, watch = self._tolerance, self._watches.setdefault(copy, self._new_watch())
        for photo in compared.photos:
            watch.add(photo)
        agreed = total(window.compared)
        reason = ""
        if watch.alarmed:
            reason = f"{agreed.wrong} of {agreed.boxes} boxes of the last {len(window)} pairs are wrong"
        elif agreed.matched >= limits.fewest_boxes and (agreed.mean_iou or 0) < limits.mean_iou:
            reason = (
                f"the mean IoU of the last {len(window)} pairs is {agreed.mean_iou:.3f} ({limits.mean_iou:g} needed)"
            )
        if reason and len(window) >= FEWEST_FOR_ROLLBACK:
            self._watches[copy] = self._new_watch()  # who gives it another chance begins anew
            last = window.disagreed[-1].reason if window.disagreed else "no pair by itself disagrees"
            self._routing.roll_back(copy, kind="disagreement", reason=f"{reason}, last: {last}")

    def _new_watch(self) -> Watch:
        limits = self._tolerance
        return Watch(Shares(limits.good, limits.bad), error=limits.error)

    def _roll_back_if_failing(self, copy: str, window: Window) -> None:
        failed, pairs = window.failed, len(window)
        if pairs >= FEWEST_FOR_ROLLBACK and len(failed) > self._rule.share * pairs:
            share = f"{len(failed)} of the last {pairs} pairs ({100 * self._rule.share:g} % are borne)"
            reason = f"it failed in {share}, last: {failed[-1].reason}"
            self._routing.roll_back(copy, kind="errors", reason=reason)


def _with(counted: Agreement, compared: Comparison) -> Agreement:
    """With one more picture; a photo that was counted and is sent again tells nothing new."""
    known = bool(compared.photo) and any(photo.photo == compared.photo for photo in counted.photos)
    return counted if known else total([counted, compared])


def _of(found: Detections, classes: frozenset[int] | None) -> Detections:
    return found if classes is None else found.best(threshold=0, limit=len(found), classes=classes)
