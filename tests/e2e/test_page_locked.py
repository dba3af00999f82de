"""What a visitor sees first of a server that wants a token, and of one whose copies were refused."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from benchmarks.serving import Server
from tests.support.e2e.browsing import Visit, browser, changing

__all__ = ["browser"]  # a fixture

pytestmark = [pytest.mark.system, pytest.mark.tensorflow]

LOOKS = [{"width": 1440, "height": 900}, {"width": 390, "height": 844}]
NEEDED = {"error": "this needs a token", "code": "unauthorized", "request_id": "1"}


def locked(route: Route) -> None:
    """As a server with a DETECTOR_TOKEN answers."""
    if route.request.headers.get("authorization") == "Bearer sesame":
        route.continue_()
    else:
        route.fulfill(status=401, json=NEEDED)


@pytest.mark.parametrize("viewport", LOOKS, ids=["desk", "phone"])
def test_the_field_for_the_token_and_the_picture_are_above_the_fold(
    viewport: Any, browser: Browser, server: Server
) -> None:
    page = browser.new_page(viewport=viewport)
    page.route("**/detect?*", locked)
    visit = Visit(page, server.url).open()
    assert visit.said == "This server looks at pictures only with a token."
    field = page.get_by_label("Token for pictures")
    below, above = (each.bounding_box() for each in (field, page.locator("#answer img")))
    assert below
    assert above
    assert below["y"] + below["height"] <= above["y"] <= viewport["height"] - 100
    field.fill("sesame")
    field.press("Enter")
    expect(page.locator("#answer .stage").first).to_be_visible()
    expect(page.locator("#answer .waiting")).to_have_count(0)
    page.close()


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("damaged: 1_frozen is damaged: network.onnx is not the file", "Making the copy again, under Administration"),
        ("making the copy ended: it falls back", "Making the copy ended: it falls back."),
    ],
)
def test_a_refused_copy_is_told_with_what_to_do(reason: str, told: str, browser: Browser, server: Server) -> None:
    def refused(body: dict[str, Any]) -> None:
        body["copies"]["frozen"] |= {"state": "refused", "reason": reason, "verdict": None}
        body |= {"active": "native", "answers": dict.fromkeys(body["answers"], "native")}

    page = browser.new_page()
    page.route("**/compare", changing(refused))
    Visit(page, server.url).open()
    expect(page.locator("h1")).to_have_text("Native answers alone: frozen was refused.")
    expect(page.locator("#verdict-more")).to_contain_text(told)
    page.close()
