"""What is known of a copy that is loaded: its verdict, and what has come after it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from app.verdicts.verdict import Verdict
from converter.sizes import SIZES, SizeName

UNCOMPARED = "it has not been compared with native yet"


@dataclass(frozen=True, slots=True)
class Loss:
    """Why live pairs took a size class from a copy: it is slower, or some of its calls stall."""

    kind: Literal["slower", "stalls"]
    reason: str


@dataclass(slots=True)
class Standing:
    """What is known of a copy that is loaded; native has none of it."""

    verdict: Verdict | None = None
    unjudged: str = UNCOMPARED  # why there is no verdict
    passing: bool = False  # that reason may pass
    rolled_back: str | None = None  # why it was taken out of `auto`
    slower: dict[SizeName, Loss] = field(default_factory=dict)  # where live pairs found it slower
    again: set[SizeName] = field(default_factory=set)  # where the gate found it slower, and live pairs do not

    @property
    def agrees(self) -> bool:
        """Whether it may answer in native's place, pictures of some class at least."""
        return any(map(self.agrees_on, SIZES))

    @property
    def passed(self) -> bool:
        """Whether it answers `auto`, for some class, if no faster one does."""
        return any(map(self.passed_on, SIZES))

    def agrees_on(self, size: SizeName) -> bool:
        """Whether it may answer pictures of this class; where it was not judged, what was found first counts."""
        if self.verdict is None or self.rolled_back is not None:
            return False
        word = self.verdict.word_for(size) or self.verdict.first.word
        return word in ("passed", "slower")

    def passed_on(self, size: SizeName) -> bool:
        """Whether it answers `auto` for pictures of this class if no faster one does."""
        if self.verdict is None or self.rolled_back is not None or size in self.slower:
            return False
        return self.verdict.word_for(size) == "passed"

    def refused_on(self, size: SizeName) -> bool:
        """Whether nothing but the gate's timing keeps it from pictures of this class."""
        return self.rolled_back is None and self.verdict is not None and self.verdict.word_for(size) == "slower"

    def undecided_on(self, size: SizeName) -> bool:
        """Whether live pairs are to finish the verdict for pictures of this class."""
        if self.verdict is None or self.rolled_back is not None or self.verdict.word == "disagrees":
            return False
        return self.verdict.word_for(size) in (None, "undecided")

    @property
    def losses(self) -> dict[SizeName, str]:
        """Why live pairs found it slower, by size class."""
        return {size: loss.reason for size, loss in self.slower.items()}

    @property
    def speedup(self) -> float:
        """By this copies are ranked; 0 without a verdict."""
        return self.verdict.speedup if self.verdict else 0.0

    def speedup_on(self, size: SizeName) -> float:
        """By this they are ranked for pictures of this class."""
        return self.verdict.speedup_for(size) if self.verdict else 0.0

    def to_json(self) -> dict[str, Any]:
        """The verdict and the rollback as plain data."""
        return {
            "verdict": self.verdict.to_json() if self.verdict else None,
            "rolled_back": self.rolled_back,
            "slower_live": self.losses,
        }
