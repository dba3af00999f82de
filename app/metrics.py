"""Metrics: every name, label and bucket in one place. Seconds, bytes, ratios; label sets are closed.

All backends share one histogram family and are told apart by `backend`: the comparison of native and copy is
`detector_stage_duration_seconds{stage="infer"}`.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MILLISECONDS = (1, 2.5, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500)
BUCKETS = (*(milliseconds / 1000 for milliseconds in MILLISECONDS), 1, 2.5, 5, 10)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
CONVERSION_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
STATES = ("unavailable", "converting", "refused", "loading", "standby", "active", "crashed")
NO_BACKEND = "none"  # of a request that reached no backend


class Metrics:
    """The server's series in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._traffic()
        self._models()
        self._conversions()

    def _traffic(self) -> None:
        self.request_duration = self._histogram(
            "request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ["route", "backend", "code"],
        )
        self.stage_duration = self._histogram(
            "stage_duration_seconds",
            "Time an image spent in a stage; `infer` is from handing its batch to the model to the outputs.",
            ["stage", "backend", "role"],
        )
        self.images = self._counter(
            "images_total",
            "Images by result: ok, rejected (not a usable picture), overloaded (queue full), unavailable "
            "(no backend), expired (deadline), failed (in the model), gone (the client left).",
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

    def _models(self) -> None:
        self.backend_ready = self._gauge("backend_ready", "1 if the backend is loaded and warm.", ["backend"])
        self.backend_active = self._gauge("backend_active", "1 if the backend answers `auto`.", ["backend"])
        self.backend_state = self._gauge("backend_state", "1 for the backend's present state.", ["backend", "state"])
        self.worker_restarts = self._counter(
            "worker_restarts_total", "Worker processes started again after they died, by how.", ["backend", "reason"]
        )
        self.trt_engines = self._gauge("trt_engines", "TensorRT engines in the loaded TF-TRT copy.", [])
        self.trt_converted_ops = self._gauge(
            "trt_converted_ops_ratio", "Share of operations inside the TF-TRT copy's engines.", []
        )
        self.native_fallback = self._counter(
            "native_fallback_total",
            "Times TensorFlow said that it ran a native segment in place of a TensorRT engine.",
            ["backend", "reason"],
        )
        self.model_info = self._gauge("model_info", "1; what is served.", ["name", "version", "server"])

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

    def set_state(self, backend: str, state: str, *, ready: bool) -> None:
        """Show `state` as the backend's present one."""
        for known in STATES:
            self.backend_state.labels(backend, known).set(known == state)
        self.backend_ready.labels(backend).set(ready)
        self.backend_active.labels(backend).set(state == "active")

    def observe_stages(self, backend: str, stages: Iterable[tuple[str, float]], *, role: str = "serving") -> None:
        """Observe the timings in seconds that came with one image's answer."""
        for stage, seconds in stages:
            self.stage_duration.labels(stage, backend, role).observe(seconds)

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"detector_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(f"detector_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> Histogram:
        return Histogram(f"detector_{name}", text, labels, buckets=BUCKETS, registry=self.registry)
