"""Live pairs of a frozen copy: good ones, wrong ones, failed ones."""

from dataclasses import replace
from typing import Any

from app.verdicts.live_pairs import Pair
from converter.model.detections import Detections
from tests.support.app.comparing import CAT, DOG, ServerSetup
from tests.support.converter.rows import answer


def pair(native: Detections | None = None, found: Detections | None = None, **changes: Any) -> Pair:
    """A pair that agrees, if nothing else is said."""
    ours = native if native is not None else answer(DOG)
    theirs = found if found is not None else ours
    made = Pair(copy="frozen", source="shadow", request_id="abc", native=ours, found=theirs)
    return replace(made, **changes)


def failed(**changes: Any) -> Pair:
    """A pair in which the copy failed."""
    return replace(pair(error="the copy failed: out of memory", **changes), found=None)


def wrong(**changes: Any) -> Pair:
    """A pair in which the copy found something else."""
    return pair(answer(DOG), answer(CAT), **changes)


def add(bench: ServerSetup, *, good: int = 0, bad: int = 0, failing: int = 0, **changes: Any) -> None:
    """So many pairs of each kind."""
    for make, count in ((pair, good), (wrong, bad), (failed, failing)):
        for _ in range(count):
            bench.live_pairs.add(make(**changes))


def window(bench: ServerSetup, copy: str = "frozen") -> dict[str, Any]:
    """What is told of the copy's last pairs."""
    return bench.live_pairs.to_json(copy)
