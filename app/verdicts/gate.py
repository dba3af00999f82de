"""The gate: may a copy answer in native's place? Equal and faster, by measurement on the workers that would serve.

Both are asked for the same pictures, one after the other in alternating order, in moments in which nothing else runs;
later, on a server that never rests, beside the load (see `app.lanes.quiet`). Each size class of pictures has a verdict
of its own: how much of a call is decoding, which a copy may not do faster, goes with the pixels.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from app.backends.backend import Backend
from app.lanes.quiet import Quiet
from app.rules import GateRules
from app.verdicts.gate_pictures import GatePicture, timed, usable
from app.verdicts.loads import Clock, Loads, between
from app.verdicts.verdict import IN_FLIGHT, SizeVerdict, Word
from converter.comparison.agreement import Agreement, total
from converter.comparison.matching import compare
from converter.comparison.timing import Ratio
from converter.sizes import SizeName

log = logging.getLogger(__name__)

NOT_SLOWER = 0.95  # what the interval's lower bound must be above at the loads where the gain is smaller
BEATS_FROZEN = 1.0  # likewise at the better one, of frozen ÷ trt
_FAR_OFF = 0.5  # a copy less than half as fast as it must be, one call at a time, is not timed under other loads
_LOADS = 3  # share the time for a size class: one picture, the largest batch, many calls in flight

Agreed = Literal["agrees", "disagrees", "undecided"]
Pictures = Callable[[SizeName], Awaitable[Sequence[GatePicture]]]


class Gate:
    """Judges copies on `pictures`, in quiet moments; `clock` tells the seconds by which calls are timed.

    Pictures that are decoded at once have at most `most_pixels` together, or there is one.
    """

    def __init__(
        self, rules: GateRules, *, pictures: Pictures, quiet: Quiet, clock: Clock, most_pixels: int = 1 << 62
    ) -> None:
        self.rules, self._pictures, self._quiet, self._clock = rules, pictures, quiet, clock
        self._most_pixels = most_pixels

    def patient(self, factor: float) -> "Gate":
        """The same gate with a longer patience."""
        quiet = self._quiet.patient(factor)
        return Gate(self.rules, pictures=self._pictures, quiet=quiet, clock=self._clock, most_pixels=self._most_pixels)

    async def judge(
        self, native: Backend, copy: Backend, yardstick: Backend | None = None, *, size: SizeName = "small"
    ) -> SizeVerdict | None:
        """The verdict on `copy` with pictures of this class, None if there are none.

        `yardstick` is a frozen copy that it must beat. WorkerDied and BatchFailed pass.
        """
        pictures = await self._pictures(size)
        pictures = await usable(pictures, (native, copy), self._quiet) if pictures else []
        if not pictures:
            return None
        await native.settled()  # else its largest batch is not known yet
        most = self._most_in_a_batch(pictures)
        sizes = sorted({1, min(native.facts.batch_sizes[-1], copy.facts.batch_sizes[-1], most)})
        agreement = {str(each): await self._compare(native, copy, pictures, each) for each in sizes}
        ratios: dict[str, Ratio] = {}
        over_frozen: dict[str, Ratio] = {}
        if self._agreed(agreement)[0] != "disagrees":  # else its speed does not matter
            loads = Loads(timed(pictures), self._quiet, self._clock, seconds=self.rules.seconds / _LOADS)
            ratios = await self._ratios(loads, native, copy, sizes)
            if yardstick is not None:
                over_frozen = await loads.alone(yardstick, copy, sizes)
        verdict = self.decide(copy.name, agreement, ratios, over_frozen)
        return self._told(copy, size, replace(verdict, megapixels=_megapixels(pictures)))

    async def _ratios(self, loads: Loads, native: Backend, copy: Backend, sizes: Sequence[int]) -> dict[str, Ratio]:
        found = await loads.alone(native, copy, sizes)
        if all(ratio.high < _FAR_OFF * self.rules.speedup for ratio in found.values()):
            return found
        found |= await loads.between(native, copy, between(sizes[-1]))
        if not self._quiet.shared:  # in the place of one batch there is no room for more
            found |= await loads.in_flight(native, copy, sizes[-1])
        return found

    def _told(self, copy: Backend, size: SizeName, verdict: SizeVerdict) -> SizeVerdict:
        beside = "it was measured beside the load" if self._quiet.shared else ""
        # What fell back is judged as what it got.
        reasons = [verdict.reason, copy.facts.fallback, beside]
        verdict = replace(verdict, reason="; ".join(each for each in reasons if each))
        log.info("gate judged copy=%s size=%s verdict=%s reason=%r", copy.name, size, verdict.word, verdict.reason)
        return verdict

    def decide(
        self,
        copy: str,
        agreement: Mapping[str, Agreement],
        ratios: Mapping[str, Ratio],
        over_frozen: Mapping[str, Ratio],
    ) -> SizeVerdict:
        """The verdict that follows from the numbers: agreement by batch size, ratios by load."""
        word, reason = self._agreed(agreement)
        what = f"native ÷ {copy}"
        slow = _slower_between(what, ratios) or _too_slow(what, _measured(ratios), self.rules.speedup)
        slow = slow or _too_slow(f"frozen ÷ {copy}", over_frozen, BEATS_FROZEN)
        found: Word = "passed" if word == "agrees" else word
        if found == "passed" and (slow or not ratios):
            found, reason = "slower", slow or "it was never timed"
        elif found == "passed":
            reason = f"{_in_words(what, _measured(ratios))}; {reason}"
        return SizeVerdict(word=found, reason=reason, agreement=agreement, ratios=ratios, over_frozen=over_frozen)

    def unsure(self, found: SizeVerdict) -> bool:
        """Whether a copy that was found slower may be as fast as is asked: a restless machine hides it."""
        highs = [each.high for each in (*_measured(found.ratios).values(), *found.over_frozen.values())]
        if found.word != "slower" or not highs or _slower_between("", found.ratios):
            return False
        return max(highs) > self.rules.speedup and min(highs) > min(NOT_SLOWER, self.rules.speedup)

    def _agreed(self, agreement: Mapping[str, Agreement]) -> tuple[Agreed, str]:
        """The worst word over the batch sizes, and its reason."""
        words: tuple[Agreed, ...] = ("disagrees", "undecided", "agrees")
        verdicts = {size: each.verdict(self.rules.tolerance) for size, each in agreement.items()}
        size, worst = min(verdicts.items(), key=lambda item: words.index(item[1].word))
        return worst.word, worst.reason + (f", at batch {size}" if worst.word == "disagrees" else "")

    async def _compare(self, native: Backend, copy: Backend, pictures: Sequence[GatePicture], size: int) -> Agreement:
        found = []
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            batch = [each.image for each in part]
            async with self._quiet.moment():
                ours, theirs = await native.detect(batch), await copy.detect(batch)
            answers = zip(ours, theirs, part, strict=True)
            found += [compare(a, b, self.rules.tolerance, photo=each.source) for a, b, each in answers]
        return total(found)

    def _most_in_a_batch(self, pictures: Sequence[GatePicture]) -> int:
        largest = max(each.image.pixels for each in pictures)
        return max(1, self._most_pixels // largest)


def rules_json(rules: GateRules) -> dict[str, Any]:
    """The rules as plain data."""
    known = {"good": round(rules.tolerance.good, 4), "bad": round(rules.tolerance.bad, 4)}
    return {**asdict(rules.tolerance), **known, "speedup": rules.speedup, "not_slower": NOT_SLOWER}


def _megapixels(pictures: Sequence[GatePicture]) -> float:
    pixels = sorted(each.image.pixels for each in pictures)
    return round(pixels[len(pixels) // 2] / 1e6, 2)


def _measured(ratios: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """Those without the batch sizes between the smallest and the largest, at which only slowness is looked for."""
    sizes = sorted(int(load) for load in ratios if load != IN_FLIGHT)
    return {load: each for load, each in ratios.items() if load == IN_FLIGHT or int(load) in (sizes[0], sizes[-1])}


def _slower_between(what: str, ratios: Mapping[str, Ratio]) -> str:
    """A sentence if the copy is slower at a batch size between the others; else empty."""
    slower = {load: each for load, each in ratios.items() if load not in _measured(ratios) and each.high < 1}
    return f"{_in_words(what, slower)}; no batch size may be slower" if slower else ""


def _too_slow(what: str, ratios: Mapping[str, Ratio], needed: float) -> str:
    """A sentence if the lower bounds are not what they must be; empty if they are, or if there are none."""
    lows = sorted(ratio.low for ratio in ratios.values())
    at_worst = min(NOT_SLOWER, needed)
    if not lows or (lows[-1] > needed and lows[0] > at_worst):
        return ""
    asked = f"lower bounds above {needed:g}" + (f" at one and {at_worst:g} at the others" if len(lows) > 1 else "")
    return f"{_in_words(what, ratios)}; {asked} are needed"


def _in_words(what: str, ratios: Mapping[str, Ratio]) -> str:
    def at(load: str) -> str:
        return "with calls in flight" if load == IN_FLIGHT else f"at batch {load}"

    parts = (f"{each.value:.3g} ({each.low:.3g} to {each.high:.3g}) {at(load)}" for load, each in ratios.items())
    return f"{what} is {', '.join(parts)}"
