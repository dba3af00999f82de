"""Paired latency: how many times as fast a copy is as native, with an interval that holds what it claims."""

from dataclasses import dataclass
from math import cbrt, ceil, exp, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Role = Literal["native", "copy"]
Values = NDArray[np.float64]

TRIMMED = 0.2  # share of the pairs left out at each end
RESAMPLES = 1000
FEWEST_TO_PART = 8  # fewer pairs are not parted by which of the two ran first
FEWEST_BLOCKS = 4
CAUTION = 0.3  # of the standard error of a correlation
LEAST_LEFT = 0.2
MOST_CORRELATED = 0.9  # a short series can't tell more than this from a trend


@dataclass(frozen=True, slots=True)
class Ratio:
    """Native's seconds ÷ the copy's: 2.0 says that the copy takes half the time."""

    value: float
    low: float  # the interval's bounds
    high: float
    pairs: int

    def to_json(self) -> dict[str, float | int]:
        """The ratio for a report."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: round(number, 4) for name, number in numbers.items()} | {"pairs": self.pairs}


def order(pair: int) -> tuple[Role, Role]:
    """Which runs first and which second in pair number `pair`: they take turns.

    The second call finds warmer caches and a faster clock; in turns, both gain by it alike.
    """
    return ("native", "copy") if pair % 2 == 0 else ("copy", "native")


def paired_ratio(native_s: ArrayLike, copy_s: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Ratio:
    """The ratio of paired times, and the interval that holds the true one with `confidence`; equal input, equal answer.

    `native_s[i]` and `copy_s[i]` are the seconds of pair i, one taken right after the other as `order(i)` says;
    pairs come as they were taken. ValueError: fewer than two pairs, or a time that can't be one.

    Estimator: the mean of the logarithms of the pairs' ratios without the lowest and highest fifth (Tukey and
    McLaughlin 1963), for each order apart and then averaged. A pair cancels the machine's drift, logarithms treat
    a ratio and its inverse alike, and trimming keeps rare slow calls from deciding at less cost than a median.
    It is the ratio of usual calls: what one of the two loses to rare slow ones is seen in its p99.

    Interval: by a block bootstrap, because a machine's noise lasts longer than a pair. Blocks of neighbours are
    drawn (Künsch 1989) from the series closed to a circle (Politis and Romano 1992), as long as its correlation
    asks for (Andrews 1991). A short series has too few blocks, and too short ones, and shows too little of what lasts:
    so the correlation is taken to be somewhat higher than it looks, the standard error is enlarged by what blocks
    and the series' own mean can't see of an autoregressive series, and the quantile is Student's. Simulated, the
    95 % interval holds the truth in 92 to 98 of 100 from 12 pairs up, with autocorrelations from 0 to 0.7
    (`benchmarks/timing_errors.py`).
    """
    native, copy = _times(native_s, "native"), _times(copy_s, "copy")
    if len(native) != len(copy):
        raise ValueError(f"pairs need as many times of each: {len(native)} of native, {len(copy)} of the copy")
    if len(native) < 2:
        raise ValueError(f"an interval needs 2 pairs or more, not {len(native)}")
    value, influence, left = _trimmed_mean(np.log(native) - np.log(copy))
    half = _half_width(influence, left, confidence=confidence, rng=np.random.default_rng(seed))
    return Ratio(exp(value), exp(value - half), exp(value + half), len(native))


def percentiles(seconds: ArrayLike) -> dict[str, float]:
    """Mean and spread of times for a report, to the microsecond. ValueError: no times, or one that can't be one."""
    times = _times(seconds, "all")
    if not len(times):
        raise ValueError("percentiles need 1 time or more")
    p50, p90, p95, p99 = np.percentile(times, [50, 90, 95, 99])
    found = {
        "mean": times.mean(),
        "min": times.min(),
        "p50": p50,
        "p90": p90,
        "p95": p95,
        "p99": p99,
        "max": times.max(),
    }
    return {f"{name}_s": round(float(value), 6) for name, value in found.items()}


def _times(seconds: ArrayLike, whose: str) -> Values:
    times = np.asarray(seconds, np.float64)
    if times.ndim != 1:
        raise ValueError(f"{whose} times must be one list of seconds")
    possible = np.isfinite(times) & (times > 0)
    if not possible.all():
        place = int(np.argmin(possible))
        raise ValueError(f"{whose} times must be finite and above 0: number {place} is {times[place]:g}")
    return times


def _trimmed_mean(logs: Values) -> tuple[float, Values, int]:
    """The trimmed mean; by how much each pair moves it, times the number of pairs; how many pairs are left."""
    orders = 2 if len(logs) >= FEWEST_TO_PART else 1
    means, left, influence = [], 0, np.empty_like(logs)
    for first in range(orders):
        part = logs[first::orders]
        cut = int(TRIMMED * len(part))
        kept = np.sort(part)[cut : len(part) - cut]
        clipped = np.clip(part, kept[0], kept[-1])  # a pair that is cut pulls as hard as the last one that isn't
        influence[first::orders] = (clipped - clipped.mean()) * len(part) / len(kept)
        means.append(kept.mean())
        left += len(kept)
    return float(np.mean(means)), influence * sqrt(len(logs) / (len(logs) - orders)), left


def _half_width(influence: Values, left: int, *, confidence: float, rng: np.random.Generator) -> float:
    """Half the interval's width: the bootstrap's standard error, its correction, and Student's quantile.

    A resample adds up influences instead of trimming anew: the same to first order, and n ÷ block additions.
    """
    pairs = len(influence)
    correlation = _cautious(_correlation(influence), pairs)
    block = _block_length(correlation, pairs)
    blocks = ceil(pairs / block)
    circle = np.cumsum(np.concatenate([[0.0], influence, influence[:block]]))
    sums = circle[block : block + pairs] - circle[:pairs]  # of the block that begins at each pair
    means = sums[rng.integers(pairs, size=(RESAMPLES, blocks))].sum(axis=1) / (blocks * block)
    error = float(means.std()) * sqrt(blocks * block / pairs)
    error /= sqrt(_seen(correlation, block) * _left_by_mean(correlation, pairs))
    return error * student(confidence, freedom=max(1.0, left / block - 1))


def _correlation(values: Values) -> float:
    """Of neighbours; by the next but one too, where they tell of slow noise under a fast one. Never negative."""
    near = _autocorrelation(values, 1)
    if near * sqrt(len(values)) > 2:  # more than chance
        near = max(near, sqrt(max(_autocorrelation(values, 2), 0)))
    return min(max(near, 0.0), MOST_CORRELATED)


def _cautious(correlation: float, pairs: int) -> float:
    """Higher by a part of what chance may hide in so few pairs."""
    return min(correlation + CAUTION * (1 - correlation) / sqrt(pairs), MOST_CORRELATED)


def _autocorrelation(values: Values, lag: int) -> float:
    """Without the downward bias of a short series (Kendall 1954)."""
    pairs, power = len(values), float(values @ values)
    raw = float(values[lag:] @ values[:-lag]) / power if power else 0.0
    return (pairs * raw + 1) / max(pairs - 3, 1)


def _block_length(correlation: float, pairs: int) -> int:
    """Andrews' rule for an autoregressive series and the Bartlett kernel, which blocks amount to."""
    best = cbrt(1.5 * pairs * (2 * correlation / (1 - correlation**2)) ** 2)
    return max(1, min(ceil(best), pairs // FEWEST_BLOCKS))


def _seen(correlation: float, block: int) -> float:
    """The share of an autoregressive series' long-run variance that blocks of this length see."""
    return 1 - 2 * correlation * (1 - correlation**block) / (block * (1 - correlation**2))


def _left_by_mean(correlation: float, pairs: int) -> float:
    """The share of an autoregressive series' variance that is left when its own mean is taken off."""
    return max(1 - 2 * correlation / (1 - correlation) / pairs, LEAST_LEFT)


def student(confidence: float, *, freedom: float) -> float:
    """Student's two-sided quantile (Abramowitz and Stegun 26.7.5): 1 % short at 2 degrees of freedom, 11 % at 1."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
