"""Requests for `auto` that a copy failed on and native answered: a copy that does so too often is rolled back."""

from collections import deque

from app.metrics import Metrics
from app.rules import RollbackRule
from app.verdicts.live_pairs import FEWEST_FOR_ROLLBACK
from app.verdicts.routing import Routing
from app.verdicts.standing import Standing


class Failures:
    """Keeps how the last pictures ended that each copy was given, as many as the rule's window has pairs."""

    def __init__(self, routing: Routing, metrics: Metrics, *, rule: RollbackRule) -> None:
        self._routing, self._metrics, self._rule = routing, metrics, rule
        self._windows: dict[str, tuple[Standing, deque[str]]] = {}  # of each picture why it failed, or nothing

    def answered(self, copy: str) -> None:
        """The copy had an answer."""
        self._window(copy).append("")

    def failed(self, copy: str, reason: str) -> None:
        """The copy failed on a picture that native took; it leaves `auto` if that happens too often."""
        window = self._window(copy)
        window.append(reason)
        self._metrics.compare_pairs.labels(copy, "auto", "error").inc()
        bad = sum(map(bool, window))
        if len(window) >= FEWEST_FOR_ROLLBACK and bad > self._rule.share * len(window):
            del self._windows[copy]  # who gives it another chance begins anew
            share = f"{bad} of the last {len(window)} pictures ({100 * self._rule.share:g} % are borne)"
            self._routing.roll_back(copy, kind="errors", reason=f"it failed on {share}, last: {reason}")

    def _window(self, copy: str) -> deque[str]:
        """The window of the copy that serves now: one that was judged anew begins anew."""
        standing = self._routing.standing(copy)
        known = self._windows.get(copy)
        if known is None or known[0] is not standing:
            known = self._windows[copy] = (standing, deque(maxlen=self._rule.pairs))
        return known[1]
