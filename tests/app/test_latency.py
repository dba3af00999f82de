"""Latencies that are told in numbers come from the histogram that is scraped."""

import math

import pytest

from app.metrics import Metrics, quantile

INF = math.inf


def observed(*seconds: float, role: str = "serving") -> Metrics:
    metrics = Metrics()
    for each in seconds:
        metrics.observe_stages("native", [("infer", each)], role=role)
    return metrics


def test_without_observations_there_are_none() -> None:
    metrics = observed(0.012)
    assert metrics.latency("infer", "trt", "serving") is None
    assert metrics.latency("infer", "native", "shadow") is None
    assert metrics.latency("queue", "native", "serving") is None


def test_a_histogram_computed_by_hand() -> None:
    # 60 within 10 to 15 ms, 30 within 15 to 20 ms, 9 within 20 to 30 ms, 1 within 100 to 150 ms.
    metrics = observed(*[0.012] * 60, *[0.018] * 30, *[0.025] * 9, 0.120)
    assert metrics.latency("infer", "native", "serving") == {
        "count": 100,
        "mean": 16.05,  # (60 · 12 + 30 · 18 + 9 · 25 + 120) / 100
        "p50": 14.167,  # 10 + 5 · 50/60
        "p95": 25.556,  # 20 + 10 · 5/9
        "p99": 30.0,
    }


def test_what_lies_beyond_the_last_bucket_is_told_as_its_bound() -> None:
    told = observed(0.012, 40, 50).latency("infer", "native", "serving")
    assert told is not None
    assert told.items() >= {"count": 3, "p50": 10_000, "p99": 10_000}.items()


def test_roles_are_told_apart() -> None:
    told = observed(0.012, role="shadow").latency("infer", "native", "shadow")
    assert told is not None
    assert (told["count"], told["mean"]) == (1, 12)


@pytest.mark.parametrize(
    ("q", "value"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.625, 1.5), (0.75, 2.0), (0.76, 2.0), (1.0, 2.0)]
)
def test_quantiles_are_as_prometheus_computes_them(q: float, value: float) -> None:
    assert quantile(q, [(1, 4), (2, 6), (INF, 8)]) == value


def test_empty_buckets_before_the_first_observation_are_passed_over() -> None:
    assert quantile(0.5, [(1, 0), (2, 0), (4, 2), (INF, 2)]) == 3
