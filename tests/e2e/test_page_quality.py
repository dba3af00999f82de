"""The page for everybody: accessible, light, quiet, whole in itself."""

import io
import subprocess
import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from playwright.sync_api import Browser, Page, expect

from app.api.web import POLICY
from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser, visiting

__all__ = ["browser"]  # a fixture

pytestmark = [pytest.mark.system, pytest.mark.tensorflow]

TIMES_A_BARE_ANSWER = 20  # that the browser needs for a line of text from the same server
AXE = Path(__file__).parent / "axe"
LOOKS: dict[str, Any] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
OVERLAPS = """() => [...document.querySelectorAll('#answer .stage')].map((stage) =>
    [...stage.querySelectorAll('.label rect')].map((label) => {
        const {left, top, right, bottom} = label.getBoundingClientRect();
        return [left, top, right, bottom];
    }))"""
CROWDED = """() => [...document.querySelectorAll('main *')].filter((element) =>
    element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1
    && getComputedStyle(element).display !== 'inline'
    && !element.closest('.scroll, .unseen, svg, pre, select')).map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture(params=LOOKS)
def visit(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Visit]:
    """A tab in each look."""
    with visiting(browser, server.url, **LOOKS[request.param]) as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, installed as its lock file says."""
    source = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists():
        subprocess.run(["npm", "ci"], cwd=AXE, check=True, capture_output=True)
    return source.read_text(encoding="utf-8")


def crowd(photos: dict[str, bytes]) -> bytes:
    """One picture with many objects."""
    picture = PIL.Image.new("RGB", (5 * 384, 4 * 288))
    tile = PIL.Image.open(io.BytesIO(photos["dog"])).resize((384, 288))
    tiles = (tile, tile.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT))
    for place in range(20):
        picture.paste(tiles[place % 2], (place % 5 * 384, place // 5 * 288))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return data.getvalue()


def test_nothing_overlaps_and_everybody_can_use_it(visit: Visit, axe: str, photos: dict[str, bytes]) -> None:
    visit.page.get_by_label("Admin token").fill("secret")  # so that jobs are shown
    visit.page.get_by_label("Admin token").blur()
    visit.choose_threshold(0.05)
    visit.drop(crowd(photos))
    visit.page.locator("#jobs .job").first.wait_for()
    assert len(visit.boxes(0)) >= 50
    for labels in visit.page.evaluate(OVERLAPS):
        assert len(labels) >= 5
        assert [pair for pair in combinations(labels, 2) if meet(*pair)] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    for summary in visit.page.locator(".card summary").all():
        summary.click()
    assert visit.page.evaluate(CROWDED) == []
    visit.page.evaluate(axe)
    assert violations(visit) == []
    visit.page.get_by_role("button", name="Open the report").first.click()
    visit.page.locator("#report-sheet h1").wait_for()
    assert violations(visit) == []


def violations(visit: Visit) -> list[tuple[str, str]]:
    """What axe finds that is serious."""
    found = visit.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [(each["id"], node["html"]) for each in found for node in each["nodes"] if grave(each)]


def meet(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def grave(violation: dict[str, Any]) -> bool:
    return violation["impact"] in ("serious", "critical")


def test_the_keyboard_is_enough(browser: Browser, server: Server) -> None:
    page = browser.new_page()
    visit = Visit(page, server.url).open()
    page.get_by_role("button", name="Sample coffee").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the picture"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Sample coffee":
            break
    page.keyboard.press("Enter")
    visit.wait_for_answer()
    page.locator("[data-term=native]").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#term")).to_contain_text("The SavedModel as it came")
    page.keyboard.press("Escape")
    expect(page.locator("#term")).not_to_be_visible()
    page.locator("#answer input:checked").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#answer figure")).to_have_count(1)
    page.close()
    assert visit.complaints == []


def seconds_to(page: Page, url: str) -> float:
    """Of the fastest of three visits."""
    took = []
    for _ in range(3):
        started = time.monotonic()
        page.goto(url)
        took.append(time.monotonic() - started)
    return min(took)


def test_the_first_load_is_small_and_fast_and_little_is_asked(
    browser: Browser, server: Server, photos: dict[str, bytes]
) -> None:
    page = browser.new_page(**LOOKS["light"])
    bare_s = seconds_to(page, f"{server.url}/healthz")
    sizes: list[float] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    started = time.monotonic()
    visit = Visit(page, server.url).open(answered=False)
    page.get_by_role("button", name="Sample coffee").wait_for()
    usable_s = time.monotonic() - started
    page.wait_for_load_state("networkidle")
    loaded = sum(sizes) - len(photos["coffee"])  # the first sample is a photo, whatever the page weighs
    assert loaded < 100_000
    assert usable_s < max(1, TIMES_A_BARE_ANSWER * bare_s), "seconds say little on a busy machine"
    page.get_by_label("Admin token").fill("secret")
    page.get_by_label("Admin token").blur()
    visit.requests.clear()
    page.wait_for_timeout(5000)
    asked = len(visit.requests)
    assert 0 < asked < 10, "below two a second, jobs and all"
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)  # what was under way comes to its end
    visit.requests.clear()
    page.wait_for_timeout(2500)
    assert visit.requests == [], "nobody looks"
    print(f"first load: {loaded:.0f} bytes, usable after {usable_s:.2f} s, {asked / 5:.1f} requests a second")  # noqa: T201  # for whoever measures it
    page.close()
    assert visit.complaints == []


def test_the_policy_allows_nothing_from_elsewhere(server: Server) -> None:
    response = server.get("/")
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "http" not in POLICY
    assert "unsafe" not in POLICY
