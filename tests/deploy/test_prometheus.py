"""Debian's Prometheus scrapes the real server: rules, dashboard and rates hold what they say."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser

from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser
from tests.support.scraping import DEPLOY, SCRAPE_S, Prometheus, scraping

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.system

RULES = DEPLOY / "prometheus" / "rules.yml"
ALERTS = {
    "NotReady",
    "Overloaded",
    "ConnectionsCut",
    "Disagreement",
    "NativeFallback",
    "RolledBack",
    "CopySlower",
    "ConversionFailed",
    "WorkerRestarting",
}
SECONDS = 24  # of traffic
WINDOW_S = 20  # in the place of the dashboard's two minutes
PAUSE_S = 0.25


def promtool(*arguments: str, text: str | None = None) -> str:
    done = subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "detector.json").read_text())
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in panels()
    for target in panel.get("targets", [])
]


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(RULES.with_name("rules_test.yml")))


def test_every_alert_is_there_and_tested() -> None:
    text, tests = RULES.read_text(), RULES.with_name("rules_test.yml").read_text()
    for name in ALERTS:
        assert f"alert: {name}\n" in text
        assert f"alertname: {name}\n" in tests, "a test in which it fires"
    assert text.count("alert: ") == len(ALERTS)


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert [panel["title"] for panel in panels() if panel["type"] != "row" and not panel["description"]] == []


@dataclass(frozen=True)
class Run:
    """A Prometheus after some traffic, and how much of it fell into its last window."""

    prometheus: Prometheus
    end: float  # of time.time, just after the traffic
    settled: float  # the same, when all pairs have been run, and two scrapes have seen it
    images_a_second: dict[str, float]  # by backend, in the window before that
    speedup: dict[str, float]  # as /compare tells it at `settled`

    def query(self, expression: str, *, at: float = 0.0) -> list[dict[str, Any]]:
        """The series at the end, or then."""
        return self.prometheus.query(expression, at=at or self.end)

    def value(self, expression: str) -> float:
        """The value at the end."""
        return self.prometheus.value(expression, at=self.end)


@pytest.fixture(scope="module")
def run(server: Server, photos: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Paced traffic to native and the copy, some of it broken; every request is run again on both to compare."""
    job = server.convert(target="frozen", batch_sizes=[1])
    server.wait_until(lambda: server.job(job)["step"] == "native")  # it has done one step, and is to end somehow
    server.admin("DELETE", f"/convert/jobs/{job['id']}")
    server.ended(job)
    server.admin("PUT", "/admin/backend", json={"shadow_share": 1}).raise_for_status()
    with scraping(server.url.removeprefix("http://"), tmp_path_factory.mktemp("prometheus")) as prometheus:
        sent = send(server, photos)
        end = time.time()
        server.wait_until(partial(no_more_pairs, server))
        settled = time.time()
        counted = {name: sum(at > end - WINDOW_S for at in times) / WINDOW_S for name, times in sent.items()}
        window = server.get("/compare").json()["copies"]["frozen"]["window"]
        yield Run(prometheus, end, settled, counted, window["native_over_copy"])
    server.admin("PUT", "/admin/backend", json={"shadow_share": 0.02}).raise_for_status()


def more_pairs(server: Server, before: float) -> bool:
    return server.metric("detector_compare_latency_ratio_count") > before


def no_more_pairs(server: Server) -> bool:
    """Whether none has come during two scrapes."""
    before = server.metric("detector_compare_pairs_total")
    time.sleep(2 * SCRAPE_S + 0.2)
    return server.metric("detector_compare_pairs_total") == before


def send(server: Server, photos: dict[str, bytes]) -> dict[str, list[float]]:
    """When each answer came, by backend."""
    answered: dict[str, list[float]] = {"native": [], "frozen": []}
    start, turn = time.monotonic(), 0
    while time.monotonic() < start + SECONDS:
        backend = ("native", "native", "frozen")[turn % 3]
        photo = list(photos.values())[turn % len(photos)]
        assert server.detect(photo, backend=backend).status_code == 200
        answered[backend].append(time.time())
        if turn % 10 == 0:
            assert server.detect(photo[:3000]).status_code == 422
        turn += 1
        time.sleep(max(0, start + turn * PAUSE_S - time.monotonic()))
    for photo in list(photos.values())[:4]:  # on a busy machine there was no quiet moment for a timed pair yet
        before = server.metric("detector_compare_latency_ratio_count")
        assert server.detect(photo, backend="native").status_code == 200
        answered["native"].append(time.time())
        server.wait_until(partial(more_pairs, server, before))
    time.sleep(2 * SCRAPE_S)
    return answered


@pytest.mark.tensorflow
def test_the_metrics_are_well_formed(run: Run, server: Server) -> None:
    """After traffic, so that the series exist."""
    assert "error" not in promtool("check", "metrics", text=server.get("/metrics").text)


@pytest.mark.tensorflow
@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_returns_data(run: Run, query: str) -> None:
    found = run.query(query.replace("$window", f"{WINDOW_S}s").replace("$instance", ".*"))
    numbers = [series for series in found if series["value"][1] != "NaN"]  # of a backend without traffic
    assert numbers


@pytest.mark.tensorflow
@pytest.mark.parametrize("backend", ["native", "frozen"])
def test_the_rates_agree_with_what_was_sent(run: Run, backend: str) -> None:
    wanted = run.images_a_second[backend]
    assert wanted > 0.5
    for series in (
        f'detector_images_total{{role="serving", result="ok", backend="{backend}"}}',
        f'detector_stage_duration_seconds_count{{stage="infer", role="serving", backend="{backend}"}}',
        f'detector_request_duration_seconds_count{{route="/detect", code="200", backend="{backend}"}}',
    ):
        assert run.value(f"sum(rate({series}[{WINDOW_S}s]))") == pytest.approx(wanted, rel=0.12), series


@pytest.mark.tensorflow
@pytest.mark.parametrize("bound", ["value", "low", "high"])
def test_prometheus_has_the_number_that_the_server_tells(run: Run, bound: str) -> None:
    asked = f'detector_speedup{{copy="frozen", size="all", bound="{bound}"}}'
    assert run.prometheus.value(asked, at=run.settled) == pytest.approx(run.speedup[bound], rel=0.03)


@pytest.mark.tensorflow
def test_the_dashboard_shows_that_number(run: Run) -> None:
    (panel,) = (panel for panel in panels() if panel["title"] == "Native ÷ copy")
    asked = panel["targets"][0]["expr"].replace("$instance", ".*")
    shown = {each["metric"]["copy"]: float(each["value"][1]) for each in run.query(asked, at=run.settled)}
    assert shown["frozen"] == pytest.approx(run.speedup["value"], rel=0.03)


@pytest.mark.tensorflow
def test_so_does_the_page(run: Run, server: Server, browser: Browser) -> None:
    visit = Visit(browser.new_page(), server.url).open()
    visit.page.locator("#backend-frozen summary").click()
    row = visit.page.locator("#backend-frozen .ratio").first
    assert row.locator("span").first.inner_text() == "live pairs"
    value, low, high = map(float, re.findall(r"[\d.]+", row.locator(".n").inner_text()))
    expected = [run.speedup[name] for name in ("value", "low", "high")]
    assert [value, low, high] == pytest.approx(expected, rel=0.03)
    assert "Pictures so far: " in visit.page.locator("#verdict-more").inner_text()
    visit.page.close()


@pytest.mark.tensorflow
def test_the_rules_are_recorded_and_no_alert_fires(run: Run, server: Server) -> None:
    told_ms = server.get("/compare").json()["infer_ms"]["native"]["per image"]["mean"]
    assert 0.2 < 1000 * run.value("detector:infer_per_image_seconds:mean2m{backend='native'}") / told_ms < 5
    assert run.value("detector:speedup_pairs:increase10m") > 1
    assert run.value("detector:disagreement:ratio10m") == 0
    took = run.query("detector:infer_seconds:p95_2m")
    assert {each["metric"]["backend"] for each in took if each["value"][1] != "NaN"} == {"native", "frozen"}
    assert run.query('ALERTS{alertstate="firing"}') == []
