"""Percentiles that can't mislead: none of few values, and none beyond the largest value that there was."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.histogram import Histogram

FEWEST = 20  # values for a percentile
PERCENTS = (50, 95, 99)

Buckets = Sequence[tuple[float, float]]  # upper bounds, the last infinite, and cumulative counts


@dataclass(slots=True)
class Seen:
    """The first values of a series, and its largest."""

    first: list[float] = field(default_factory=list)
    largest: float = 0.0

    def add(self, value: float) -> None:
        """Take note of one more."""
        if len(self.first) < FEWEST:
            self.first.append(value)
        self.largest = max(self.largest, value)


def summary(histogram: Histogram, seen: Seen) -> dict[str, Any] | None:
    """Count, mean, p50, p95 and p99 in milliseconds, from the histogram that is scraped; None without observations.

    Quantiles are interpolated inside their bucket, as Prometheus' `histogram_quantile` does it. Of few observations
    there are none, but the `values`.
    """
    buckets, seconds = observed(histogram)
    count = int(buckets[-1][1])
    if not count:
        return None
    few = count < FEWEST
    found = {f"p{each}": None if few else _ms(min(quantile(each / 100, buckets), seen.largest)) for each in PERCENTS}
    values = [_ms(value) for value in sorted(seen.first)] if few else None
    return {"count": count, "mean": _ms(seconds / count), **found, "values": values}


def counts(histogram: Histogram) -> list[int]:
    """How many observations fell into each bucket, and above the last."""
    ends = [int(up_to) for _, up_to in observed(histogram)[0]]
    return [end - before for before, end in zip([0, *ends], ends, strict=False)]


def observed(histogram: Histogram) -> tuple[Buckets, float]:
    """Upper bounds with cumulative counts, and the sum of what was observed."""
    samples = [(sample.name, sample.labels, sample.value) for sample in histogram._child_samples()]
    buckets = [(float(labels["le"]), value) for name, labels, value in samples if name == "_bucket" and labels]
    return buckets, next(value for name, _, value in samples if name == "_sum")


def quantile(q: float, buckets: Buckets) -> float:
    """The value below which a share `q` lies."""
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0.0
    for upper, up_to in buckets:
        if up_to >= rank:
            if upper == float("inf"):
                return lower
            return lower + (upper - lower) * (rank - below) / (up_to - below) if up_to > below else upper
        lower, below = upper, up_to
    return lower


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
