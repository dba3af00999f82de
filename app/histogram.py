"""What is observed with every request: written into its series, and sorted into buckets, when some of it has come.

One observation alone costs several times as much as one of many, whose code and series are in the processor's caches.
What reads the series has the rest written first.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import prometheus_client
from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_SORTED_TOGETHER, _WRITTEN_TOGETHER = 256, 500


class Histogram(prometheus_client.Histogram):
    """To be observed and read in one thread."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._new: list[float] = []

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Take note of one more."""
        self.observe_all([amount])

    def observe_all(self, amounts: Iterable[float]) -> None:
        """Take note of these."""
        self._new += amounts
        if len(self._new) >= _SORTED_TOGETHER:
            self._sort()

    def _sort(self) -> None:
        new, self._new = self._new, []
        self._sum.inc(sum(new))
        for bucket, count in Counter(bisect_left(self._upper_bounds, amount) for amount in new).items():
            self._buckets[bucket].inc(count)

    def _child_samples(self) -> Iterable[Sample]:
        self._sort()
        return super()._child_samples()


Family = prometheus_client.Counter | Histogram
Note = tuple[Family, tuple[object, ...], float]  # the values of its labels, an amount


class Noted(Collector):
    """A collector without series of its own: those that are collected after it have what was noted by `write`."""

    def __init__(self, write: Callable[[Iterable[Note]], None]) -> None:
        self._write, self._notes = write, list[Note]()

    def add(self, *notes: Note) -> None:
        """Take note of these."""
        self._notes += notes
        if len(self._notes) >= _WRITTEN_TOGETHER:
            self.collect()

    def collect(self) -> Iterable[Metric]:
        """Write what has been noted; nothing comes of it here."""
        notes, self._notes = self._notes, []
        self._write(notes)
        return []


class FinerHistogram(Histogram):
    """A histogram whose series with `value` as their first label have buckets of their own."""

    value: str
    finer: Sequence[float]

    def _metric_init(self) -> None:
        if self._labelvalues and self._labelvalues[0] == self.value:
            self._prepare_buckets(self.finer)
        super()._metric_init()
