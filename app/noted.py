"""What happens with every request, written into its series when some of it has come, or before they are read.

One alone costs several times as much as one of many, whose code and series are in the processor's caches.
"""

from collections.abc import Callable, Iterable

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.registry import Collector

_WRITTEN_TOGETHER = 500

Note = tuple[Counter | Histogram, tuple[object, ...], float]  # a family, the values of its labels, an amount


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
