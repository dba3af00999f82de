"""What the page says of the sizes of pictures that a copy was judged on."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser, changing

__all__ = ["browser"]  # a fixture

pytestmark = [pytest.mark.system, pytest.mark.tensorflow]


def test_each_size_has_its_line_and_one_that_only_live_pairs_judged_is_named(browser: Browser, server: Server) -> None:
    def change(body: dict[str, Any]) -> None:
        frozen = body["copies"]["frozen"]
        judged = {"verdict": "passed", "agreement": {}, "native_over_copy": {"1": ratio}}
        slower = {
            **judged,
            "verdict": "slower",
            "native_over_copy": {"1": {**ratio, "value": 0.8, "low": 0.7, "high": 0.9}},
        }
        sizes = {"small": {**judged, "megapixels": 0.3}, "large": {**slower, "megapixels": None}}
        # Other tests may have left live pairs, which count for more than the gate.
        window = {**frozen["window"], "native_over_copy": None, "sizes": {}}
        copies = {"frozen": {**frozen, "state": "active", "verdict": {**judged, "sizes": sizes}, "window": window}}
        body |= {"active": "frozen", "copies": copies, "traffic": {"small": 1, "medium": 0, "large": 0}}
        body["answers"] = {"small": "frozen", "medium": "native", "large": "native"}

    ratio = {"value": 1.2, "low": 1.1, "high": 1.3, "pairs": 24}
    page = browser.new_page()
    page.route("**/compare", changing(change))
    Visit(page, server.url).open()
    expect(page.locator("h1")).to_contain_text("frozen is 1.20 times as fast as native for pictures up to 0.5 MP, and")
    lines = page.locator(".gauge-line:not(.gauge-axis)")
    expect(lines).to_have_count(2)
    for line, words in zip(lines.all(), ("gate, 0.3 MP, 24 pairs", "live pairs, 24 pairs"), strict=True):
        expect(line).to_contain_text(words)
    assert page.locator(".gauge .span").evaluate_all("all => all.map(each => each.dataset.tone)") == [
        "faster",
        "slower",
    ]
    expect(page.locator("#verdict-more")).to_contain_text("by frozen, pictures 0.5 to 4 MP and over 4 MP by native.")
    page.close()
