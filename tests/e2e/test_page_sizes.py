"""What the page says of the sizes of pictures that a copy was judged on."""

import pytest
from playwright.sync_api import Browser, Route, expect

from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser

__all__ = ["browser"]  # a fixture

pytestmark = [pytest.mark.system, pytest.mark.tensorflow]


def test_a_size_that_only_live_pairs_judged_is_named(browser: Browser, server: Server) -> None:
    ratio = {"value": 1.2, "low": 1.1, "high": 1.3, "pairs": 24}

    def handle(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        frozen = body["copies"]["frozen"]
        judged = {"verdict": "passed", "agreement": {}, "native_over_copy": {"1": ratio}}
        sizes = {"small": {**judged, "megapixels": 0.3}, "large": {**judged, "megapixels": None}}
        body |= {"active": "frozen", "copies": {"frozen": {**frozen, "verdict": {**judged, "sizes": sizes}}}}
        route.fulfill(response=response, json=body)

    page = browser.new_page()
    page.route("**/compare", handle)
    Visit(page, server.url).open()
    told = "by size 1.20 times at 0.3 MP, 1.20 times with pictures over 4 MP (live)"
    expect(page.locator("#verdict-more")).to_contain_text(told)
    page.close()
