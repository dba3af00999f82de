"""Counters that alerts watch are there from the start, at 0: nothing has happened is told from nothing is known."""

from collections.abc import Collection
from itertools import product

from prometheus_client import Counter

from app.metrics import NO_BACKEND, Metrics

RESULTS = ("ok", "rejected", "overloaded", "unavailable", "expired", "failed", "gone")  # of an image
DEATHS = ("crashed", "hung")
FALLBACKS = ("no_engine_for_shape", "none_there", "some_elsewhere")
SOURCES, COMPARED = ("shadow", "both", "auto"), ("agree", "disagree", "error")  # `auto`: failures while it answered
ROLLBACKS = ("disagreement", "errors")
LOSSES = ("slower", "stalls")
ENDS = ("succeeded", "failed", "refused", "unavailable", "cancelled")  # of a conversion
CUTS = ("malformed", "headers", "slow", "bodies", "pipelined", "crowded")


def begin(metrics: Metrics, *, backends: Collection[str], copies: Collection[str], sizes: Collection[str]) -> None:
    """Make every series of these counters."""
    for counter, labels in (
        (metrics.images, ((*backends, NO_BACKEND), ("serving",), RESULTS)),
        (metrics.worker_restarts, (backends, DEATHS)),
        (metrics.native_fallback, (backends, FALLBACKS)),
        (metrics.compare_pairs, (copies, SOURCES, COMPARED)),
        (metrics.rollbacks, (copies, ROLLBACKS)),
        (metrics.sizes_lost, (copies, sizes, LOSSES)),
        (metrics.conversions, (copies, ENDS)),
        (metrics.connections_cut, (CUTS,)),
    ):
        _begin(counter, labels)


def _begin(counter: Counter, labels: tuple[Collection[str], ...]) -> None:
    for each in product(*labels):
        counter.labels(*each)
