"""The series of the comparison of native with its copies; `app.metrics` has all others."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.buckets import BUCKETS, IOU_BUCKETS, RATIO_BUCKETS, SCORE_BUCKETS
from app.histogram import Histogram
from converter.comparison.matching import Comparison


class Series:
    """Series in a registry, all named alike."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"detector_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"detector_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> Histogram:
        return Histogram(f"detector_{name}", text, labels, buckets=BUCKETS, registry=self.registry)


class ComparisonSeries(Series):
    """What pairs of answers tell."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._comparisons()
        self._verdicts()

    def _comparisons(self) -> None:
        self.compare_pairs = self._counter(
            "compare_pairs_total",
            "Pictures that native and a copy have both answered, by result: agree, disagree, error (the copy failed).",
            ["copy", "source", "result"],
        )
        self.compare_ratio = self._comparing(
            "compare_latency_ratio",
            "Native's time ÷ the copy's, of shadow pairs, which run one after the other.",
            RATIO_BUCKETS,
        )
        self.compare_iou = self._comparing(
            "compare_iou", "Overlap (IoU) of boxes that native and the copy both found.", IOU_BUCKETS
        )
        self.compare_score_diff = self._comparing(
            "compare_score_abs_diff",
            "Difference of the scores of boxes that native and the copy both found.",
            SCORE_BUCKETS,
        )
        self.compare_boxes = self._counter(
            "compare_boxes_total",
            "Boxes of pairs: matched, missing (only native's), extra (only the copy's), class_flip (another class).",
            ["copy", "kind"],
        )

    def _verdicts(self) -> None:
        self.compare_dropped = self._counter(
            "compare_dropped_total",
            "Shadow pairs that were not run: full (queue), busy (no moment), no_copy, native_failed.",
            ["reason"],
        )
        self.rollbacks = self._counter(
            "rollbacks_total",
            "How often a copy was taken out of `auto`, for disagreement or errors.",
            ["copy", "reason"],
        )
        self.speedup = self._gauge(
            "speedup",
            "Native's time ÷ the copy's over the last live pairs, by size class or `all`: the value, and the low and "
            "high bound of its 95 % interval; NaN if there are too few pairs.",
            ["copy", "size", "bound"],
        )
        self.sizes_lost = self._counter(
            "sizes_lost_total",
            "How often live pairs found a copy slower than native on pictures of a size class, which native then "
            "answers: slower (the usual call), stalls (rare calls).",
            ["copy", "size", "kind"],
        )
        self.size_active = self._gauge(
            "size_active", "1 if the backend answers `auto` for pictures of the size class.", ["backend", "size"]
        )
        self.gate_verdict = self._gauge(
            "gate_verdict",
            "1 for the present verdict on a copy; `none` while there is no verdict.",
            ["copy", "verdict"],
        )

    def _comparing(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"detector_{name}", text, ["copy"], buckets=buckets, registry=self.registry)

    def observe_comparison(self, copy: str, compared: Comparison) -> None:
        """Observe how one picture's boxes differ."""
        for iou in compared.ious:
            self.compare_iou.labels(copy).observe(iou)
        for difference in compared.score_diffs:
            self.compare_score_diff.labels(copy).observe(difference)
        kinds = {"matched": compared.matched, "missing": compared.missing, "extra": compared.extra}
        for kind, count in {**kinds, "class_flip": compared.class_flips}.items():
            self.compare_boxes.labels(copy, kind).inc(count)
