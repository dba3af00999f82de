"""Metrics: every name, label and bucket in one place. Seconds, bytes, ratios; label sets are closed.

All backends share one histogram family and are told apart by `backend`: the comparison of native and copy is
`detector_stage_duration_seconds{stage="infer"}`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from app.histogram import Histogram
from converter.comparison.agreement import Comparison

MILLISECONDS = (1, 2.5, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500)
BUCKETS = (*(milliseconds / 1000 for milliseconds in MILLISECONDS), 1, 2.5, 5, 10)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
CONVERSION_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
RATIO_BUCKETS = (0.25, 0.5, 0.75, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10)
IOU_BUCKETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1)
SCORE_BUCKETS = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
NO_BACKEND = "none"  # of a request that reached no backend


class Metrics:
    """The server's series in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._series: dict[tuple[object, ...], Any] = {}
        self._traffic()
        self._connections()
        self._models()
        self._comparisons()
        self._conversions()

    def _traffic(self) -> None:
        self.request_duration = self._histogram(
            "request_duration_seconds",
            "Time from a request's headers to its answer's last byte.",
            ["route", "backend", "code"],
        )
        self.stage_duration = self._histogram(
            "stage_duration_seconds",
            "Time an image spent in a stage; `infer` is from handing its batch to the model to the outputs.",
            ["stage", "backend", "role"],
        )
        self.images = self._counter(
            "images_total",
            "Images by result: ok, rejected (not a usable picture), overloaded (queue full; a request that is refused "
            "before its body is read counts as one image), unavailable (no backend), expired (deadline), failed (in "
            "the model), gone (the client left).",
            ["backend", "role", "result"],
        )
        self.failures = self._counter("failures_total", "Requests that got no detections, by error code.", ["reason"])
        self.queue_depth = self._gauge("queue_depth", "Images waiting for a backend.", ["backend"])
        self.in_flight = self._gauge("in_flight", "Batches the backend works on.", ["backend"])
        self.batch_size = Histogram(
            "detector_batch_size",
            "Images in a batch, padding left out.",
            ["backend"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.batch_repairs = self._counter(
            "batch_repairs_total",
            "Batches the model failed on, by what was done: culprits (undecodable pictures answered, the rest run "
            "again), split (no culprit found), halved (out of memory), given_up (a single picture).",
            ["backend", "how"],
        )
        self.not_finite = self._counter(
            "not_finite_total", "Detections left out because a number in them was NaN or infinite.", ["backend"]
        )

    def _connections(self) -> None:
        self.connections_cut = self._counter(
            "connections_cut_total",
            "Connections that the server closed on a client, by reason: malformed (no HTTP, or almost only chunk "
            "framing), headers (too large), slow (request or reader), bodies (too many bytes in memory), pipelined "
            "(too many requests ahead of their answers), crowded (too many connections).",
            ["reason"],
        )

    def _models(self) -> None:
        self.backend_ready = self._gauge("backend_ready", "1 if the backend is loaded and warm.", ["backend"])
        self.backend_active = self._gauge("backend_active", "1 if the backend answers `auto`.", ["backend"])
        self.backend_state = self._gauge("backend_state", "1 for the backend's present state.", ["backend", "state"])
        self.backend_gpu_memory = self._gauge(
            "backend_gpu_memory_bytes",
            "GPU memory that the backend's process held when it was warm; 0 on a CPU or where nobody knows.",
            ["backend"],
        )
        self.worker_restarts = self._counter(
            "worker_restarts_total", "Worker processes started again after they died, by how.", ["backend", "reason"]
        )
        self.trt_engines = self._gauge("trt_engines", "TensorRT engines in the loaded TF-TRT copy.", [])
        self.trt_converted_ops = self._gauge(
            "trt_converted_ops_ratio", "Share of operations inside the TF-TRT copy's engines.", []
        )
        self.native_fallback = self._counter(
            "native_fallback_total",
            "Times TensorFlow said that it ran a native segment in place of a TensorRT engine, and times an ONNX copy "
            "was loaded that runs elsewhere than was asked for.",
            ["backend", "reason"],
        )
        self.model_info = self._gauge("model_info", "1; what is served.", ["name", "version", "server"])

    def _comparisons(self) -> None:
        self.compare_pairs = self._counter(
            "compare_pairs_total",
            "Pictures that native and a copy both answered, by result: agree, disagree, error (the copy failed).",
            ["copy", "source", "result"],
        )
        self.compare_ratio = self._comparing(
            "compare_latency_ratio",
            "Native's time divided by the copy's, of shadow pairs that ran alone, one after the other.",
            RATIO_BUCKETS,
        )
        self.compare_iou = self._comparing(
            "compare_iou", "Overlap (IoU) of boxes that native and the copy both found.", IOU_BUCKETS
        )
        self.compare_score_diff = self._comparing(
            "compare_score_abs_diff", "How far the scores of such boxes differ.", SCORE_BUCKETS
        )
        self.compare_boxes = self._counter(
            "compare_boxes_total",
            "Boxes of pairs: matched, missing (native's alone), extra (the copy's alone), class_flip.",
            ["copy", "kind"],
        )
        self.compare_dropped = self._counter(
            "compare_dropped_total",
            "Shadow pairs that were not run: full (queue), busy (no moment), no_copy, native_failed.",
            ["reason"],
        )
        self.rollbacks = self._counter(
            "rollbacks_total", "Times a copy was taken out of `auto`, for disagreement or errors.", ["copy", "reason"]
        )
        self.gate_verdict = self._gauge(
            "gate_verdict", "1 for the present verdict on a copy; none while there is none.", ["copy", "verdict"]
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

    def _conversions(self) -> None:
        self.conversions = self._counter("conversions_total", "Conversions by how they ended.", ["target", "result"])
        self.conversion_duration = Histogram(
            "detector_conversion_duration_seconds",
            "Time a conversion's step took.",
            ["target", "step"],
            buckets=CONVERSION_BUCKETS,
            registry=self.registry,
        )
        self.conversion_in_progress = self._gauge("conversion_in_progress", "1 while a conversion runs.", [])

    def observe_request(self, route: str, backend: str, status: int, seconds: float) -> None:
        """Observe the duration of one request."""
        self._kept(self.request_duration, route, backend, status).observe(seconds)

    def observe_stages(self, backend: str, stages: Iterable[tuple[str, float]], *, role: str = "serving") -> None:
        """Observe the timings in seconds that came with one image's answer."""
        for stage, seconds in stages:
            self._kept(self.stage_duration, stage, backend, role).observe(seconds)

    def count_image(self, backend: str, result: str) -> None:
        """Count one image of a request, by what became of it."""
        self._kept(self.images, backend, "serving", result).inc()

    def latency(self, stage: str, backend: str, role: str) -> dict[str, float] | None:
        """Count, mean, p50, p95 and p99 of a stage in milliseconds, from the same histogram that is scraped.

        None without observations. Quantiles are interpolated inside their bucket, as Prometheus'
        `histogram_quantile` does it.
        """
        buckets, seconds = self._observed(stage, backend, role)
        count = buckets[-1][1]
        if not count:
            return None
        found = {f"p{percent}": 1000 * quantile(percent / 100, buckets) for percent in (50, 95, 99)}
        rounded = {name: round(ms, 3) for name, ms in {"mean": 1000 * seconds / count, **found}.items()}
        return {"count": int(count), **rounded}

    def counts(self, stage: str, backend: str, role: str) -> list[int]:
        """How many images fell into each of BUCKETS, and above the last."""
        buckets, _ = self._observed(stage, backend, role)
        ends = [int(up_to) for _, up_to in buckets]
        return [end - before for before, end in zip([0, *ends], ends, strict=False)]

    def _observed(self, stage: str, backend: str, role: str) -> tuple[list[tuple[float, float]], float]:
        """Upper bounds with cumulative counts, and the sum of seconds."""
        histogram = self.stage_duration.labels(stage, backend, role)
        samples = [(sample.name, sample.labels, sample.value) for sample in histogram._child_samples()]
        buckets = [(float(labels["le"]), value) for name, labels, value in samples if name == "_bucket" and labels]
        return buckets, next(value for name, _, value in samples if name == "_sum")

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def _kept(self, family: Counter | Histogram, *labels: object) -> Any:
        """The series of a family with these labels: finding it costs as much as observing, and they are few."""
        found = self._series.get((family, *labels))
        if found is None:
            found = self._series[family, *labels] = family.labels(*labels)
        return found

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"detector_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"detector_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> Histogram:
        return Histogram(f"detector_{name}", text, labels, buckets=BUCKETS, registry=self.registry)


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """The value below which a share `q` lies; `buckets` are upper bounds, the last infinite, and cumulative counts."""
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0.0
    for upper, up_to in buckets:
        if up_to >= rank:
            if upper == float("inf"):
                return lower
            return lower + (upper - lower) * (rank - below) / (up_to - below) if up_to > below else upper
        lower, below = upper, up_to
    return lower
