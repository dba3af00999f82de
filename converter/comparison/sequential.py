"""Are few of a copy's boxes wrong, as a good copy's are, or many? A sequential test, by photos.

Evidence is a likelihood ratio, bad ÷ good. However often one looks, a good copy's comes to 1 ÷ error with a chance of
`error` at most, and a bad copy's falls to `error` with that chance (Wald 1945; Ville 1939): so looking after every
picture costs nothing. The unit is the photo, since boxes of one photo go wrong together: their number is beta-binomial,
with the correlation that was measured on photos (`benchmarks/agreement_errors.py`). A copy may also lose boxes one by
one, so the test holds whichever of both it is: what is concluded follows from either.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, lgamma, log

# Of two boxes of one photo in being wrong: none, and what was measured.
CORRELATIONS = (0.0, 0.2)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many boxes of one photo are wrong, of how many."""

    wrong: int
    boxes: int
    photo: str = ""  # its name; without one it is like no other

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(self.wrong + other.wrong, self.boxes + other.boxes, self.photo)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Logarithms of the likelihood ratio, bad ÷ good: the least and the largest of all correlations.

    The least above 0 speaks against the copy whatever the correlation is, the largest below 0 for it.
    """

    least: float
    largest: float


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of wrong boxes of a good copy and of a bad one."""

    good: float
    bad: float

    def evidence(self, photos: Iterable[Counted]) -> Evidence:
        """What the photos together tell."""
        every = list(photos)
        found = [sum(self.of_one(each, correlation) for each in every) for correlation in CORRELATIONS]
        return Evidence(min(found), max(found))

    def of_one(self, photo: Counted, correlation: float) -> float:
        """What one photo tells, if boxes go wrong together by so much."""
        return _log_likelihood(photo, self.bad, correlation) - _log_likelihood(photo, self.good, correlation)


class Watch:
    """Notices when a copy that was good has become bad, at any time; `alarmed` once the chance of error is so small.

    A mixture of tests, one beginning at each photo, whose weights add up to 1: the whole chance that a good copy is
    ever blamed stays below `error`, and what was good for long does not hide what is bad now (Shiryaev 1963 and Roberts
    1966 with Ville's inequality; Shin, Ramdas and Rinaldo 2023). That holds for different photos: one that is sent
    again and again counts each time, since it is answered wrong each time.
    """

    def __init__(self, shares: Shares, *, error: float) -> None:
        self._shares, self._limit = shares, log(1 / error)
        self._photos = 0
        self._evidence = dict.fromkeys(CORRELATIONS, -inf)

    @property
    def alarmed(self) -> bool:
        """Whether the copy is bad now."""
        return min(self._evidence.values()) >= self._limit

    def add(self, photo: Counted) -> None:
        """Take note of the next photo, in time."""
        if not photo.boxes:
            return
        self._photos += 1
        weight = -log(self._photos) - log(self._photos + 1)
        for correlation, evidence in self._evidence.items():
            begun = _log_sum(evidence, weight)
            self._evidence[correlation] = begun + self._shares.of_one(photo, correlation)


def merged(photos: Iterable[Counted]) -> tuple[Counted, ...]:
    """Those of one name together."""
    named: dict[str, Counted] = {}
    others = []
    for each in photos:
        if not each.photo:
            others.append(each)
        else:
            named[each.photo] = named[each.photo] + each if each.photo in named else each
    return (*named.values(), *others)


def _log_likelihood(photo: Counted, share: float, correlation: float) -> float:
    """Without the binomial coefficient, which both shares have."""
    right = photo.boxes - photo.wrong
    if not correlation:
        return photo.wrong * log(share) + right * log(1 - share)
    strength = 1 / correlation - 1
    a, b = share * strength, (1 - share) * strength
    return _log_beta(photo.wrong + a, right + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _log_sum(a: float, b: float) -> float:
    high = max(a, b)
    return high + log(exp(a - high) + exp(b - high))
