"""Who answers `auto`: the fastest backend that agrees with native, or the one that an admin chose."""

import logging
from typing import Any

from app.errors import BackendUnavailable
from app.lanes.lane import Lane
from app.metrics import Metrics
from app.verdicts.gate import Verdict

log = logging.getLogger(__name__)

AUTO = "auto"
NATIVE = "native"
UNCOMPARED = "it has not been compared with native yet"


class Election:
    """Keeps the verdicts on copies and who is active; `review` must be called when a slot has changed."""

    def __init__(self, metrics: Metrics) -> None:
        self.lanes: dict[str, Lane] = {}
        self._metrics = metrics
        self.chosen = AUTO
        self._verdicts: dict[str, Verdict] = {}
        self._unjudged: dict[str, str] = {}  # why a copy that is loaded has no verdict
        self._rolled_back: dict[str, str] = {}

    def add(self, lane: Lane) -> None:
        """A lane that may be asked; native comes first."""
        self.lanes[lane.slot.name] = lane
        if lane.slot.name != NATIVE:
            self._metrics.set_verdict(lane.slot.name, None)
        self.review()

    @property
    def copies(self) -> list[str]:
        """The names of all backends but native."""
        return [name for name in self.lanes if name != NATIVE]

    @property
    def active(self) -> str | None:
        """The backend that answers `auto` now."""
        return next((name for name, lane in self.lanes.items() if lane.slot.state == "active"), None)

    def verdict(self, copy: str) -> Verdict | None:
        """The verdict on the copy; None while there is none."""
        return self._verdicts.get(copy)

    def rolled_back(self, copy: str) -> str | None:
        """Why the copy was taken out of `auto`, or None."""
        return self._rolled_back.get(copy)

    def agrees(self, backend: str) -> bool:
        """Whether the backend may answer in native's place."""
        if backend == NATIVE:
            return True
        verdict = self._verdicts.get(backend)
        return verdict is not None and verdict.word in ("passed", "slower") and backend not in self._rolled_back

    def judged(self, copy: str, verdict: Verdict | None, reason: str = UNCOMPARED) -> None:
        """Take note of a verdict on a copy, or that there is none and why; what was held against it is forgotten."""
        self._rolled_back.pop(copy, None)
        self.amended(copy, verdict, reason)

    def amended(self, copy: str, verdict: Verdict | None, reason: str = UNCOMPARED) -> None:
        """Live pairs have changed the verdict on a copy that is loaded."""
        if verdict is None:
            self._verdicts.pop(copy, None)
            self._unjudged[copy] = reason
        else:
            self._verdicts[copy] = verdict
        self._metrics.set_verdict(copy, verdict.word if verdict else None)
        self.review()

    def roll_back(self, copy: str, *, kind: str, reason: str) -> None:
        """Take a copy that agreed out of `auto` until an admin says otherwise; `kind` is disagreement or errors.

        Also if an admin chose it: whoever chooses it again after this has been told. A copy that answers in spite of
        its verdict stays.
        """
        if not self.agrees(copy):
            return
        self._rolled_back[copy] = reason
        if self.chosen == copy:
            self.chosen = AUTO
        self._metrics.rollbacks.labels(copy, kind).inc()
        log.warning("backend rolled back copy=%s kind=%s reason=%r", copy, kind, reason)
        self.review()

    def choose(self, backend: str) -> None:
        """An admin's word: this backend answers `auto`. With `auto` the best does, and no rollback holds any longer.

        BackendUnavailable if it is not warm.
        """
        if backend == AUTO:
            self._rolled_back.clear()
        elif not self.lanes[backend].slot.ready:
            raise self.lanes[backend].slot.unavailable()
        self.chosen = backend
        log.info("backend chosen backend=%s", backend)
        self.review()

    def route(self, backend: str) -> Lane:
        """The lane for a request; BackendUnavailable with the reason if it can't be answered."""
        if backend != AUTO:
            lane = self.lanes[backend]
            if not lane.slot.ready:
                raise lane.slot.unavailable()
            return lane
        active = self.active
        if active is None:
            raise self.lanes[NATIVE].slot.unavailable()
        return self.lanes[active]

    def elsewhere(self, lane: Lane) -> Lane | None:
        """Another warm backend that finds the same objects, native first."""
        others = (other for name, other in self.lanes.items() if other is not lane and self.agrees(name))
        return next((other for other in others if other.slot.ready), None)

    def best_copy(self) -> Lane:
        """The copy that is compared with native on request: the active one, else the best that is warm."""
        warm = [name for name in self.copies if self.lanes[name].slot.ready]
        if not warm:
            states = "; ".join(f"{name} is {self.lanes[name].slot.state}" for name in self.copies)
            raise BackendUnavailable(f"there is no copy to compare native with: {states}", retry_after_s=30)
        return self.lanes[max(warm, key=lambda name: (name == self.active, self.agrees(name), self._speedup(name)))]

    def review(self) -> None:
        """Let every slot rest as what it is now: one is active, the others say why they are not."""
        winner = self._winner()
        for name, lane in self.lanes.items():
            if name == winner:
                lane.slot.rest_as("active", self._why(name))
            else:
                lane.slot.rest_as("standby", self._why_not(name, winner))

    def _winner(self) -> str:
        if self.chosen != AUTO and self.lanes[self.chosen].slot.ready:
            return self.chosen
        agreeing = [name for name in self.copies if self.lanes[name].slot.ready and self.agrees(name)]
        if self.lanes[NATIVE].slot.ready:
            agreeing = [name for name in agreeing if self._verdicts[name].word == "passed"]
        return max(agreeing, key=self._speedup, default=NATIVE)

    def _speedup(self, copy: str) -> float:
        verdict = self._verdicts.get(copy)
        return verdict.speedup if verdict else 0.0

    def _why(self, winner: str) -> str:
        if self.chosen == winner:
            return "an admin chose it"
        if winner == NATIVE:
            return ""
        verdict = self._verdicts[winner]
        instead = "" if verdict.word == "passed" else "it stands in for native; "
        return f"{instead}{verdict.word}: {verdict.reason}"

    def _why_not(self, name: str, winner: str) -> str:
        if name in self._rolled_back:
            return f"rolled back: {self._rolled_back[name]}"
        verdict = self._verdicts.get(name)
        if name != NATIVE and verdict is None:
            return self._unjudged.get(name, UNCOMPARED)
        if verdict is not None and verdict.word != "passed":
            return f"{verdict.word}: {verdict.reason}"
        if self.chosen == winner:
            return f"an admin chose {winner}"
        return f"{winner} agrees with native and is faster"

    def to_json(self, copy: str) -> dict[str, Any]:
        """What is known of a copy, as plain data."""
        verdict = self._verdicts.get(copy)
        return {
            "verdict": verdict.to_json() if verdict else None,
            "rolled_back": self._rolled_back.get(copy),
        }
