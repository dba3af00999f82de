"""prometheus_client's histogram, with observations sorted into their buckets when some have come or when they are read.

One alone costs several times as much as one of many, whose code and series are in the processor's caches.
"""

from bisect import bisect_left
from collections.abc import Iterable

import prometheus_client
from prometheus_client.samples import Sample

_SORTED_TOGETHER = 64


class Histogram(prometheus_client.Histogram):
    """To be observed and read in one thread."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._new: list[float] = []

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Take note of one more."""
        self._new.append(amount)
        if len(self._new) >= _SORTED_TOGETHER:
            self._sort()

    def _sort(self) -> None:
        new, self._new = self._new, []
        for amount in new:
            self._sum.inc(amount)
            self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def _child_samples(self) -> Iterable[Sample]:
        self._sort()
        return super()._child_samples()
