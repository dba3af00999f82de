"""What was found of a copy, by size class of the pictures: plain data that the gate, live pairs and routing share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from converter.comparison.agreement import Agreement
from converter.comparison.timing import Ratio
from converter.sizes import WORDS as SIZE_WORDS
from converter.sizes import SizeName

Word = Literal["passed", "disagrees", "slower", "undecided"]
WORDS: tuple[Word, ...] = ("passed", "disagrees", "slower", "undecided")
_FOREMOST: tuple[Word, ...] = ("passed", "disagrees", "undecided", "slower")  # of several, the one that is told
IN_FLIGHT = "in flight"  # the load at which as many calls run at once as serving has


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeVerdict:
    """What was found with pictures of one size class."""

    word: Word
    reason: str  # a sentence with the numbers and the limits
    agreement: Mapping[str, Agreement]  # over all pictures, by batch size
    ratios: Mapping[str, Ratio]  # native ÷ copy, by load: a batch size, or IN_FLIGHT
    over_frozen: Mapping[str, Ratio] = field(default_factory=dict)  # frozen ÷ copy; only of trt
    megapixels: float | None = None  # of a picture, in the middle of those that were run

    @property
    def speedup(self) -> float:
        """The largest lower bound of native ÷ copy: by this copies are ranked."""
        return max((ratio.low for ratio in self.ratios.values()), default=0.0)

    def untimed(self) -> "SizeVerdict":
        """The same, left to live pairs, which are to time it."""
        return replace(self, word="undecided", reason="it agrees, and was not timed often enough yet", ratios={})

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "verdict": self.word,
            "reason": self.reason,
            "megapixels": self.megapixels,
            "agreement": {size: agreement.to_json() for size, agreement in self.agreement.items()},
            "native_over_copy": {load: ratio.to_json() for load, ratio in self.ratios.items()},
            "frozen_over_copy": {load: ratio.to_json() for load, ratio in self.over_frozen.items()},
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of a copy: of each size class that has been judged, the first of them first."""

    sizes: Mapping[SizeName, SizeVerdict]

    @property
    def word(self) -> Word:
        """`passed` if the copy answers pictures of any class."""
        found = {each.word for each in self.sizes.values()}
        return next(word for word in _FOREMOST if word in found)

    @property
    def reason(self) -> str:
        """A sentence with the numbers and the limits; of each class where there are several."""
        if len(self.sizes) == 1:
            return self.first.reason
        return "; ".join(f"{SIZE_WORDS[size]}: {each.word}, {each.reason}" for size, each in self.sizes.items())

    @property
    def first(self) -> SizeVerdict:
        """On the class that was judged first."""
        return next(iter(self.sizes.values()))

    def word_for(self, size: SizeName) -> Word | None:
        """On pictures of this class; None if it has not been judged."""
        found = self.sizes.get(size)
        return found.word if found else None

    def speedup_for(self, size: SizeName) -> float:
        """By this copies are ranked for pictures of this class."""
        found = self.sizes.get(size)
        return found.speedup if found else 0.0

    @property
    def speedup(self) -> float:
        """By this copies are ranked: where they gain most."""
        return max(each.speedup for each in self.sizes.values())

    def with_size(self, size: SizeName, found: SizeVerdict) -> "Verdict":
        """The same with what was found of one class."""
        return Verdict({**self.sizes, size: found})

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data; the numbers outside of `sizes` are those of the class judged first."""
        return {
            **self.first.to_json(),
            "verdict": self.word,
            "reason": self.reason,
            "sizes": {size: each.to_json() for size, each in self.sizes.items()},
        }
