"""The gate: may a copy answer in native's place? Equal and faster, by measurement on the workers that would serve.

Both are asked for the same pictures, one after the other in alternating order, in moments in which nothing else runs;
later, on a server that never rests, beside the load (see `app.lanes.quiet`).
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle, islice
from typing import Any, Literal

from app.backends.backend import Backend
from app.images import Image
from app.lanes.quiet import Quiet
from app.rules import GateRules
from converter.comparison.agreement import Agreement, compare, total
from converter.comparison.timing import Ratio, order, paired_ratio

log = logging.getLogger(__name__)

# Of timed calls at each batch size; with 6, one slow call made an interval of 0.006 to 392.
FEWEST_PAIRS, MOST_PAIRS = 12, 60
NOT_SLOWER = 0.95  # what the interval's lower bound must be above at the batch size where the gain is smaller
BEATS_FROZEN = 1.0  # likewise at the better one, of frozen ÷ trt

Clock = Callable[[], float]  # seconds since some moment; never goes back
Agreed = Literal["agrees", "disagrees", "undecided"]
Word = Literal["passed", "disagrees", "slower", "undecided"]
WORDS: tuple[Word, ...] = ("passed", "disagrees", "slower", "undecided")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate, or the live pairs after it, found."""

    word: Word
    reason: str  # a sentence with the numbers and the limits
    agreement: Mapping[str, Agreement]  # over all pictures, by batch size
    ratios: Mapping[str, Ratio]  # native ÷ copy, by batch size
    over_frozen: Mapping[str, Ratio] = field(default_factory=dict)  # frozen ÷ copy; only of trt

    @property
    def speedup(self) -> float:
        """The largest lower bound of native ÷ copy: by this copies are ranked."""
        return max((ratio.low for ratio in self.ratios.values()), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "verdict": self.word,
            "reason": self.reason,
            "agreement": {size: agreement.to_json() for size, agreement in self.agreement.items()},
            "native_over_copy": {size: ratio.to_json() for size, ratio in self.ratios.items()},
            "frozen_over_copy": {size: ratio.to_json() for size, ratio in self.over_frozen.items()},
        }


class Gate:
    """Judges copies on `pictures`, in quiet moments; `clock` tells the seconds by which calls are timed."""

    def __init__(
        self, rules: GateRules, *, pictures: Callable[[], Awaitable[Sequence[Image]]], quiet: Quiet, clock: Clock
    ) -> None:
        self.rules, self._pictures, self._quiet, self._clock = rules, pictures, quiet, clock

    def patient(self, factor: float) -> "Gate":
        """The same gate with a longer patience."""
        return Gate(self.rules, pictures=self._pictures, quiet=self._quiet.patient(factor), clock=self._clock)

    async def judge(self, native: Backend, copy: Backend, yardstick: Backend | None = None) -> Verdict:
        """The verdict on `copy`; `yardstick` is a frozen copy that it must beat. WorkerDied and BatchFailed pass."""
        pictures = await self._pictures()
        sizes = sorted({1, min(native.facts.batch_sizes[-1], copy.facts.batch_sizes[-1])})
        agreement = {str(size): await self._compare(native, copy, pictures, size) for size in sizes}
        ratios: dict[str, Ratio] = {}
        over_frozen: dict[str, Ratio] = {}
        if self._agreed(agreement)[0] != "disagrees":  # else its speed does not matter
            ratios = {str(size): await self._time(native, copy, pictures, size) for size in sizes}
            if yardstick is not None:
                over_frozen = {str(size): await self._time(yardstick, copy, pictures, size) for size in sizes}
        verdict = self.decide(copy.name, agreement, ratios, over_frozen)
        beside = "it was measured beside the load" if self._quiet.shared else ""
        # What fell back is judged as what it got.
        reasons = [verdict.reason, copy.facts.fallback, beside]
        verdict = replace(verdict, reason="; ".join(each for each in reasons if each))
        log.info("gate judged copy=%s verdict=%s reason=%r", copy.name, verdict.word, verdict.reason)
        return verdict

    def decide(
        self,
        copy: str,
        agreement: Mapping[str, Agreement],
        ratios: Mapping[str, Ratio],
        over_frozen: Mapping[str, Ratio],
    ) -> Verdict:
        """The verdict that follows from the numbers, each by batch size."""
        word, reason = self._agreed(agreement)
        slow = _too_slow(f"native ÷ {copy}", ratios, self.rules.speedup)
        slow = slow or _too_slow(f"frozen ÷ {copy}", over_frozen, BEATS_FROZEN)
        found: Word = "passed" if word == "agrees" else word
        if found == "passed" and (slow or not ratios):
            found, reason = "slower", slow or "it was never timed"
        elif found == "passed":
            reason = f"{_in_words(f'native ÷ {copy}', ratios)}; {reason}"
        return Verdict(word=found, reason=reason, agreement=agreement, ratios=ratios, over_frozen=over_frozen)

    def _agreed(self, agreement: Mapping[str, Agreement]) -> tuple[Agreed, str]:
        """The worst word over the batch sizes, and its reason."""
        words: tuple[Agreed, ...] = ("disagrees", "undecided", "agrees")
        verdicts = {size: each.verdict(self.rules.tolerance) for size, each in agreement.items()}
        size, worst = min(verdicts.items(), key=lambda item: words.index(item[1].word))
        return worst.word, worst.reason + (f", at batch {size}" if worst.word == "disagrees" else "")

    async def _compare(self, native: Backend, copy: Backend, pictures: Sequence[Image], size: int) -> Agreement:
        found = []
        for start in range(0, len(pictures), size):
            batch = pictures[start : start + size]
            async with self._quiet.moment():
                ours, theirs = await native.detect(batch), await copy.detect(batch)
            found += [compare(a, b, self.rules.tolerance) for a, b in zip(ours, theirs, strict=True)]
        return total(found)

    async def _time(self, reference: Backend, copy: Backend, pictures: Sequence[Image], size: int) -> Ratio:
        """Paired times at one batch size: reference ÷ copy."""
        seconds: dict[str, list[float]] = {"native": [], "copy": []}
        backends = {"native": reference, "copy": copy}
        for pair in range(MOST_PAIRS):
            if pair >= FEWEST_PAIRS and sum(map(sum, seconds.values())) > self.rules.seconds:
                break
            batch = list(islice(cycle(pictures), pair, pair + size))
            async with self._quiet.moment():
                for role in order(pair):
                    seconds[role].append(await seconds_of(backends[role], batch, self._clock))
        return paired_ratio(seconds["native"], seconds["copy"])


async def seconds_of(backend: Backend, batch: Sequence[Image], clock: Clock = time.perf_counter) -> float:
    """Seconds of one call."""
    start = clock()
    await backend.detect(batch)
    return clock() - start


def _too_slow(what: str, ratios: Mapping[str, Ratio], needed: float) -> str:
    """A sentence if the lower bounds are not what they must be; empty if they are, or if there are none."""
    lows = sorted(ratio.low for ratio in ratios.values())
    at_worst = min(NOT_SLOWER, needed)
    if not lows or (lows[-1] > needed and lows[0] > at_worst):
        return ""
    asked = f"lower bounds above {needed:g}" + (f" at one and {at_worst:g} at the other" if len(lows) > 1 else "")
    return f"{_in_words(what, ratios)}; {asked} are needed"


def _in_words(what: str, ratios: Mapping[str, Ratio]) -> str:
    parts = (f"{each.value:.3g} ({each.low:.3g} to {each.high:.3g}) at batch {size}" for size, each in ratios.items())
    return f"{what} is {', '.join(parts)}"


def rules_json(rules: GateRules) -> dict[str, Any]:
    """The rules as plain data."""
    return {**asdict(rules.tolerance), "speedup": rules.speedup, "not_slower": NOT_SLOWER}
