from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from app.buckets import BUCKETS, INFER_BUCKETS
from app.metrics import Metrics
from converter.comparison.matching import compare
from converter.tolerance import Tolerance
from tests.support.app.comparing import DOG
from tests.support.converter.rows import answer

# Name without prefix: type, labels.
SERIES = {
    "request_duration_seconds": ("histogram", {"route", "backend", "code"}),
    "stage_duration_seconds": ("histogram", {"stage", "backend", "role"}),
    "batch_duration_seconds": ("histogram", {"backend"}),
    "infer_per_image_seconds": ("histogram", {"backend"}),
    "image_sizes": ("counter", {"size"}),
    "speedup": ("gauge", {"copy", "size", "bound"}),
    "sizes_lost": ("counter", {"copy", "size", "kind"}),
    "size_active": ("gauge", {"backend", "size"}),
    "images": ("counter", {"backend", "role", "result"}),
    "failures": ("counter", {"reason"}),
    "connections_cut": ("counter", {"reason"}),
    "queue_depth": ("gauge", {"backend"}),
    "in_flight": ("gauge", {"backend"}),
    "batch_size": ("histogram", {"backend"}),
    "backend_ready": ("gauge", {"backend"}),
    "backend_active": ("gauge", {"backend"}),
    "backend_state": ("gauge", {"backend", "state"}),
    "trt_engines": ("gauge", set()),
    "trt_converted_ops_ratio": ("gauge", set()),
    "native_fallback": ("counter", {"backend", "reason"}),
    "conversions": ("counter", {"target", "result"}),
    "conversion_duration_seconds": ("histogram", {"target", "step"}),
    "conversion_in_progress": ("gauge", set()),
    "worker_restarts": ("counter", {"backend", "reason"}),
    "model_info": ("gauge", {"name", "version", "server"}),
    "compare_pairs": ("counter", {"copy", "source", "result"}),
    "compare_latency_ratio": ("histogram", {"copy"}),
    "compare_iou": ("histogram", {"copy"}),
    "compare_score_abs_diff": ("histogram", {"copy"}),
    "compare_boxes": ("counter", {"copy", "kind"}),
    "compare_dropped": ("counter", {"reason"}),
    "rollbacks": ("counter", {"copy", "reason"}),
    "gate_verdict": ("gauge", {"copy", "verdict"}),
}


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("name", SERIES)
def test_a_series_exists_with_its_labels_and_help(name: str) -> None:
    kind, labels = SERIES[name]
    family = next(family for family in Metrics().registry.collect() if family.name == f"detector_{name}")
    assert family.type == kind
    assert family.documentation.endswith(".")
    metric = Metrics().registry._names_to_collectors[f"detector_{name}"]
    assert set(getattr(metric, "_labelnames", ())) == labels


def test_nothing_is_called_otherwise() -> None:
    families = list(Metrics().registry.collect())
    assert all(family.name.startswith("detector_") and family.documentation for family in families)


def test_buckets_of_durations() -> None:
    text = ".001 .0025 .005 .0075 .01 .015 .02 .03 .04 .05 .075 .1 .15 .25 .5 1 2.5 5 10"
    assert list(BUCKETS) == [float(bound) for bound in text.split()]


def test_buckets_of_infer_are_fine_where_models_are() -> None:
    bounds = [bound for bound in INFER_BUCKETS if 0.002 <= bound <= 0.5]
    assert max(upper / lower for lower, upper in pairwise(bounds)) <= 1.101


def test_a_scrape_is_bounded_whatever_happens() -> None:
    """With four backends in every role and stage, and all that the others have."""
    metrics, backends = Metrics(), ("native", "onnx", "frozen", "trt")
    for backend in backends:
        for role in ("serving", "shadow"):
            stages = ("validate", "queue", "infer", "decode", "encode") if role == "serving" else ("infer",)
            metrics.observe_stages(backend, [(stage, 0.01) for stage in stages], role=role)
        metrics.observe_batch(backend, 4, seconds=0.08, share_s=0.04)
        metrics.batch_size.labels(backend).observe(4)
        for route in ("/detect", "/v1/models/{model}:predict"):
            for code in (200, 422, 429):
                metrics.observe_request(route, backend, code, 0.01)
        compared = compare(answer(DOG), answer(DOG), Tolerance())
        metrics.observe_comparison(backend, compared)
        metrics.compare_ratio.labels(backend).observe(1.5)
    once = len(metrics.text())
    metrics.observe_stages("native", [("infer", 0.5)])
    assert len(metrics.text()) == pytest.approx(once, abs=100)
    assert once <= 256_000


def test_stages_of_all_backends_share_one_family() -> None:
    metrics = Metrics()
    for backend in ("native", "trt"):
        metrics.observe_stages(backend, [("queue", 0.002), ("infer", 0.012)])
    labels = {"stage": "infer", "role": "serving"}
    for backend in ("native", "trt"):
        name = "detector_stage_duration_seconds"
        assert sample(metrics, f"{name}_count", backend=backend, **labels) == 1
        assert sample(metrics, f"{name}_sum", backend=backend, **labels) == pytest.approx(0.012)
        below, above = (max(b for b in INFER_BUCKETS if b < 0.012), min(b for b in INFER_BUCKETS if b > 0.012))
        assert sample(metrics, f"{name}_bucket", backend=backend, le=str(below), **labels) == 0
        assert sample(metrics, f"{name}_bucket", backend=backend, le=str(above), **labels) == 1
        waited = {"stage": "queue", "role": "serving", "backend": backend}
        assert sample(metrics, f"{name}_bucket", le="0.0025", **waited) == 1


@pytest.mark.parametrize("times", [1, 64, 150])
def test_no_observation_is_lost_or_counted_twice(times: int) -> None:
    metrics = Metrics()
    for bound in times * [0.005, 0.0051, 99.0]:
        metrics.observe_request("/detect", "native", 200, bound)
    labels = {"route": "/detect", "backend": "native", "code": "200"}
    for _ in range(2):
        assert sample(metrics, "detector_request_duration_seconds_bucket", le="0.005", **labels) == times
        assert sample(metrics, "detector_request_duration_seconds_bucket", le="10.0", **labels) == 2 * times
        assert sample(metrics, "detector_request_duration_seconds_count", **labels) == 3 * times


def test_shadow_runs_are_kept_apart() -> None:
    metrics = Metrics()
    metrics.observe_stages("native", [("infer", 0.01)], role="shadow")
    name = "detector_stage_duration_seconds_count"
    assert sample(metrics, name, stage="infer", backend="native", role="shadow") == 1
    assert sample(metrics, name, stage="infer", backend="native", role="serving") is None


def test_servers_share_no_series() -> None:
    one, other = Metrics(), Metrics()
    one.failures.labels("overloaded").inc()
    assert sample(other, "detector_failures_total", reason="overloaded") is None


def test_the_registry_may_be_given() -> None:
    registry = CollectorRegistry()
    assert Metrics(registry).registry is registry


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics()
    metrics.model_info.labels("street", "1", "0.1").set(1)
    families = {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}
    assert families["detector_model_info"].samples[0].labels == {"name": "street", "version": "1", "server": "0.1"}
    assert {f"detector_{name}" for name in SERIES} <= set(families)
