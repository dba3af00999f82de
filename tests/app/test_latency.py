"""Latencies that are told in numbers come from the histogram that is scraped."""

import math

import pytest

from app.metrics import PER_IMAGE, Metrics
from app.percentiles import quantile

INF = math.inf


def observed(*seconds: float, role: str = "serving") -> Metrics:
    metrics = Metrics()
    for each in seconds:
        metrics.observe_stages("native", [("infer", each)], role=role)
    return metrics


def test_without_observations_there_are_none() -> None:
    metrics = observed(0.012)
    assert metrics.latency("trt", "serving") is None
    assert metrics.latency("native", "shadow") is None
    assert metrics.latency("native", PER_IMAGE) is None


def test_of_few_observations_the_values_are_told_and_no_percentile() -> None:
    told = observed(0.03, *[0.012] * 18).latency("native", "serving")
    nothing = {"p50": None, "p95": None, "p99": None}
    assert told == {"count": 19, "mean": 12.947, **nothing, "values": [*[12.0] * 18, 30.0]}


@pytest.mark.parametrize("ms", [2, 3.3, 7.9, 12, 47, 151, 499])
def test_the_median_is_right_within_five_percent(ms: float) -> None:
    told = observed(*[ms / 1000] * 30).latency("native", "serving")
    assert told is not None
    assert told["p50"] == pytest.approx(ms, rel=0.05)


def test_no_percentile_is_beyond_the_largest_value() -> None:
    told = observed(*[0.0201] * 100).latency("native", "serving")
    assert told is not None
    assert (told["p95"], told["p99"], told["values"]) == (20.1, 20.1, None)
    far = observed(*[40.0] * 20).latency("native", "serving")
    assert far is not None
    assert far["p99"] == 10_000, "the last bound: more is not known of it"


def test_an_image_is_told_by_its_part_of_a_batch() -> None:
    metrics = Metrics()
    for _ in range(5):
        metrics.observe_batch("native", 4, seconds=0.08, share_s=0.04)
    told = metrics.latency("native", PER_IMAGE)
    assert told is not None
    assert (told["count"], told["mean"]) == (20, 10.0)


def test_roles_are_told_apart() -> None:
    told = observed(0.012, role="shadow").latency("native", "shadow")
    assert told is not None
    assert (told["count"], told["mean"]) == (1, 12)


@pytest.mark.parametrize(
    ("q", "value"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.625, 1.5), (0.75, 2.0), (0.76, 2.0), (1.0, 2.0)]
)
def test_quantiles_are_as_prometheus_computes_them(q: float, value: float) -> None:
    assert quantile(q, [(1, 4), (2, 6), (INF, 8)]) == value


def test_empty_buckets_before_the_first_observation_are_passed_over() -> None:
    assert quantile(0.5, [(1, 0), (2, 0), (4, 2), (INF, 2)]) == 3
