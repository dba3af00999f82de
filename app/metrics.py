"""Metrics: every name, label and bucket in one place. Seconds, bytes, ratios; label sets are closed.

All backends share one histogram family and are told apart by `backend`: the comparison of native and copy is
`detector_stage_duration_seconds{stage="infer"}`.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from app.buckets import (
    BATCH_BUCKETS,
    BUCKETS,
    CONVERSION_BUCKETS,
    INFER_BUCKETS,
)
from app.comparison_series import ComparisonSeries
from app.histogram import Family, FinerHistogram, Histogram, Note, Noted
from app.percentiles import Seen, counts, summary
from app.processes import Processes
from converter.sizes import SIZES, SizeName

NO_BACKEND = "none"  # of a request that reached no backend
PER_IMAGE = "per image"  # beside the roles of `infer`: what an image costs where batches and calls run at once


class StageHistogram(FinerHistogram):
    """Of the stages `infer` has finer buckets."""

    value, finer = "infer", INFER_BUCKETS


class Metrics(ComparisonSeries):
    """The server's series in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry if registry is not None else CollectorRegistry())
        self._seen: defaultdict[tuple[str, str], Seen] = defaultdict(Seen)  # of `infer`, by backend and role
        self._noted = Noted(self._write)
        self.registry.register(self._noted)  # first: what is noted is in all that is read after it
        self.processes = Processes()
        self.registry.register(self.processes)
        self._traffic()
        self._connections()
        self._models()
        self._conversions()

    def _traffic(self) -> None:
        self.request_duration = self._histogram(
            "request_duration_seconds",
            "Time from the headers of a request to the last byte of its answer.",
            ["route", "backend", "code"],
        )
        self.stage_duration = StageHistogram(
            "detector_stage_duration_seconds",
            "Time that a picture spent in a stage; `infer` is from handing its batch to the model to the outputs.",
            ["stage", "backend", "role"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.batch_duration = self._histogram(
            "batch_duration_seconds", "Time of a batch, from handing it to the model to the outputs.", ["backend"]
        )
        self.infer_per_image = Histogram(
            "detector_infer_per_image_seconds",
            "Time of a batch, divided by its pictures and by the batches that ran at once: 1 ÷ throughput.",
            ["backend"],
            buckets=INFER_BUCKETS,
            registry=self.registry,
        )
        self.images = self._counter(
            "images_total",
            "Pictures by result: ok, rejected (no usable picture), overloaded (queue full; a request that is refused "
            "before its body is read counts as one picture), unavailable (no backend), expired (deadline), failed (in "
            "the model), gone (the client left).",
            ["backend", "role", "result"],
        )
        self._images()

    def _images(self) -> None:
        self.image_sizes = self._counter(
            "image_sizes_total",
            "Pictures that were answered, by size class: small (up to 0.5 MP), medium (up to 4 MP), large.",
            ["size"],
        )
        self.failures = self._counter(
            "failures_total", "Requests that got no detections, by the code of the error.", ["reason"]
        )
        self.queue_depth = self._gauge("queue_depth", "Pictures that wait for a backend.", ["backend"])
        self.in_flight = self._gauge("in_flight", "Batches that the backend works on now.", ["backend"])
        self.batch_size = Histogram(
            "detector_batch_size",
            "Pictures in a batch, without those that fill it up.",
            ["backend"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.batch_repairs = self._counter(
            "batch_repairs_total",
            "Batches on which the model failed, by what was done: culprits (pictures that can't be decoded were "
            "answered and the rest was run again), split (no culprit was found), halved (out of memory), given_up (a "
            "single picture).",
            ["backend", "how"],
        )
        self.not_finite = self._counter(
            "not_finite_total",
            "Detections that were left out because a number in them was NaN or infinite.",
            ["backend"],
        )

    def _connections(self) -> None:
        self.connections_cut = self._counter(
            "connections_cut_total",
            "Connections that the server closed on a client, by reason: malformed (not HTTP, or almost only chunk "
            "framing), headers (too large), slow (request or reader), bodies (too many bytes in memory), pipelined "
            "(too many requests ahead of their answers), crowded (too many connections).",
            ["reason"],
        )

    def _models(self) -> None:
        self.backend_ready = self._gauge("backend_ready", "1 if the backend is loaded and warm.", ["backend"])
        self.backend_active = self._gauge("backend_active", "1 if the backend answers `auto`.", ["backend"])
        self.backend_state = self._gauge(
            "backend_state", "1 for the present state of the backend.", ["backend", "state"]
        )
        self.backend_replicas = self._gauge(
            "backend_replicas_ready",
            "Workers of the backend that are warm, of as many as `DETECTOR_REPLICAS` says.",
            ["backend"],
        )
        self.backend_gpu_memory = self._gauge(
            "backend_gpu_memory_bytes",
            "GPU memory that the workers of the backend held when they were warm; 0 on a CPU or if it is not known.",
            ["backend"],
        )
        self.worker_restarts = self._counter(
            "worker_restarts_total",
            "Workers that were started again after they died, by how they died.",
            ["backend", "reason"],
        )
        self.trt_engines = self._gauge("trt_engines", "TensorRT engines in the TF-TRT copy that is loaded.", [])
        self.trt_converted_ops = self._gauge(
            "trt_converted_ops_ratio", "Share of the operations that are in the engines of the TF-TRT copy.", []
        )
        self.native_fallback = self._counter(
            "native_fallback_total",
            "How often TensorFlow said that it ran a native segment in place of a TensorRT engine, and how often an "
            "ONNX copy was loaded that runs elsewhere than was asked for.",
            ["backend", "reason"],
        )
        self.model_info = self._gauge(
            "model_info", "Always 1; the labels say what is served.", ["name", "version", "server"]
        )

    def _conversions(self) -> None:
        self.conversions = self._counter("conversions_total", "Conversions, by how they ended.", ["target", "result"])
        self.conversion_duration = Histogram(
            "detector_conversion_duration_seconds",
            "Time that a step of a conversion took.",
            ["target", "step"],
            buckets=CONVERSION_BUCKETS,
            registry=self.registry,
        )
        self.conversion_in_progress = self._gauge("conversion_in_progress", "1 while a conversion runs.", [])

    def observe_request(self, route: str, backend: str, status: int, seconds: float) -> None:
        """Observe the duration of one request."""
        self._noted.add((self.request_duration, (route, backend, status), seconds))

    def observe_stages(self, backend: str, stages: Iterable[tuple[str, float]], *, role: str = "serving") -> None:
        """Observe the timings in seconds that came with one image's answer."""
        stages = list(stages)
        self._noted.add(*[(self.stage_duration, (stage, backend, role), seconds) for stage, seconds in stages])
        for stage, seconds in stages:
            if stage == "infer":
                self._seen[backend, role].add(seconds)

    def observe_batch(self, backend: str, images: int, *, seconds: float, share_s: float) -> None:
        """Observe one batch: how long it took, and its share of the time in which others ran too."""
        each = share_s / images
        self._noted.add(
            (self.batch_duration, (backend,), seconds), *[(self.infer_per_image, (backend,), each)] * images
        )
        for _ in range(images):
            self._seen[backend, PER_IMAGE].add(each)

    def count_image(self, backend: str, result: str) -> None:
        """Count one image of a request, by what became of it."""
        self._noted.add((self.images, (backend, "serving", result), 1))

    def count_size(self, size: SizeName) -> None:
        """Count one image that was answered, by its size class."""
        self._noted.add((self.image_sizes, (size,), 1))

    def sizes_seen(self) -> dict[SizeName, int]:
        """How many images were answered, by size class."""
        self._noted.collect()
        return {size: int(self.image_sizes.labels(size)._value.get()) for size in SIZES}

    def latency(self, backend: str, role: str) -> dict[str, Any] | None:
        """What is told of `infer` in numbers, see `percentiles.summary`; PER_IMAGE: of an image's part of a batch."""
        return summary(self._infer(backend, role), self._seen[backend, role])

    def counts(self, backend: str, role: str) -> list[int]:
        """How many images fell into each of INFER_BUCKETS, and above the last."""
        return counts(self._infer(backend, role))

    def _infer(self, backend: str, role: str) -> Histogram:
        self._noted.collect()
        if role == PER_IMAGE:
            return self.infer_per_image.labels(backend)
        return self.stage_duration.labels("infer", backend, role)

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def _write(self, notes: Iterable[Note]) -> None:
        amounts = defaultdict[tuple[Family, tuple[object, ...]], list[float]](list)
        for family, labels, amount in notes:
            amounts[family, labels].append(amount)
        for (family, labels), noted in amounts.items():
            if isinstance(family, Histogram):
                family.labels(*labels).observe_all(noted)
            else:
                family.labels(*labels).inc(sum(noted))
