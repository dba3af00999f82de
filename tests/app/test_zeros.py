"""Every counter that an alert watches has all of its series from the start, at 0."""

import re
from typing import get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app import zeros
from app.connections import protocol
from app.copies import conversions
from app.detection import detector
from app.main import create_app
from app.settings import Settings
from app.verdicts.live_pairs import Source
from tests.support.fakes import FakeStarter
from tests.support.places import ROOT

RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
WATCHED = sorted(
    {
        name
        for group in RULES["groups"]
        for rule in group["rules"]
        for name in re.findall(r"detector_\w+_total", rule["expr"])
    }
)
LABELS = {
    "detector_images_total": {"native", "onnx", "overloaded", "expired"},
    "detector_connections_cut_total": {"bodies", "crowded"},
    "detector_compare_pairs_total": {"onnx", "shadow", "both", "auto", "agree", "disagree", "error"},
    "detector_native_fallback_total": {"trt", "onnx", "no_engine_for_shape", "none_there", "some_elsewhere"},
    "detector_rollbacks_total": {"trt", "disagreement", "errors"},
    "detector_conversions_total": {"trt", "failed", "refused"},
    "detector_worker_restarts_total": {"native", "trt", "crashed", "hung"},
}


@pytest.fixture(scope="module")
def at_the_start() -> dict[str, list[tuple[set[str], float]]]:
    """The series of each counter, by their labels' values."""
    api = create_app(Settings(copies=()), start_backend=FakeStarter())
    text = api.state.metrics.text().decode()
    found: dict[str, list[tuple[set[str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((set(sample.labels.values()), sample.value))
    return found


def test_the_alerts_watch_these() -> None:
    assert set(WATCHED) == set(LABELS)


@pytest.mark.parametrize("name", WATCHED)
def test_it_is_there_at_0(name: str, at_the_start: dict[str, list[tuple[set[str], float]]]) -> None:
    assert {value for _, value in at_the_start[name]} == {0}
    assert set().union(*(labels for labels, _ in at_the_start[name])) >= LABELS[name]


def test_the_words_are_those_that_are_counted() -> None:
    assert {*get_args(Source), "auto"} == set(zeros.SOURCES)
    assert {*detector._RESULTS.values(), "ok", "rejected", "gone"} == set(zeros.RESULTS)
    assert {*protocol._REASONS.values(), "malformed", "slow", "crowded", "bodies"} == set(zeros.CUTS)
    assert {*conversions._RESULTS.values(), "succeeded", "cancelled"} == set(zeros.ENDS)
