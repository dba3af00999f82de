"""What a replica of a backend does now, and why: written by its slot alone."""

from dataclasses import dataclass
from typing import Literal

PhaseName = Literal["unavailable", "converting", "refused", "loading", "ready", "crashed"]
# Why nobody serves in a slot, where its worker is not the reason.
Vacancy = Literal["unavailable", "converting", "refused"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One word, and a sentence that says why."""

    name: PhaseName
    reason: str = ""


STARTING = Phase("loading", "the server is starting")
