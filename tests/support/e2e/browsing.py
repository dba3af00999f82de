"""A person with a browser: opens the server's page, drops pictures, and takes note of what should not happen."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

expect.set_options(timeout=30_000)  # the page asks twice a second, but both cores may be busy with other tests

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TRANSFER = """([data, name, type]) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type}));
    return transfer;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@dataclass
class Visit:
    """A tab with the server's page."""

    page: Page
    url: str
    requests: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # errors, and requests to other hosts

    def open(self, *, answered: bool = True) -> "Visit":
        """Open the page, wait until it shows the backends, and until the first sample is `answered`."""
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.goto(self.url)
        self.page.locator(".card").first.wait_for()
        if answered:
            self.wait_for_answer()
        return self

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        if not request.url.startswith((self.url, f"blob:{self.url}", "data:")):
            self.complaints.append(request.url)

    def _hear(self, kind: str, text: str) -> None:
        # The browser itself writes a line for every 4xx; whether a refusal is meant, the test knows.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    @property
    def said(self) -> str:
        """The sentence about the picture."""
        return self.page.locator("#said").inner_text()

    def drop(self, data: bytes, name: str = "picture.jpg", kind: str = "image/jpeg") -> None:
        """Drop a file on the page, as from a folder, and wait until the page has said what came of it."""
        transfer = self.page.evaluate_handle(TRANSFER, [base64.b64encode(data).decode(), name, kind])
        self.forget()
        self.page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
        self.wait_for_answer()

    def paste(self, data: bytes, kind: str) -> None:
        """Paste a picture."""
        transfer = self.page.evaluate_handle(TRANSFER, [base64.b64encode(data).decode(), "pasted", kind])
        self.forget()
        script = "transfer => dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}))"
        self.page.evaluate(script, transfer)
        self.wait_for_answer()

    def forget(self) -> None:
        """Take back what was said of the picture before."""
        self.page.evaluate("document.querySelector('#said').textContent = 'Nothing asked'")

    def wait_for_answer(self) -> None:
        """Return when the last question has been answered, or refused."""
        self.page.wait_for_function(
            "() => !document.querySelector('#answer').ariaBusy && "
            "!/^(Nothing asked|Asking)/.test(document.querySelector('#said').textContent)",
            timeout=30_000,
        )

    def choose_threshold(self, threshold: float) -> None:
        """Move the slider, and wait for the answer if a picture is shown."""
        self.page.locator("#threshold").fill(str(threshold))
        self.page.locator("#threshold").dispatch_event("change")

    def boxes(self, figure: int) -> list[dict[str, Any]]:
        """The boxes drawn in one figure, in pixels of its picture as shown; and how large that is."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """figure => {
                const stage = document.querySelectorAll('#answer .stage')[figure];
                const frame = stage.querySelector('img').getBoundingClientRect();
                return [...stage.querySelectorAll('.box')].map((box) => {
                    const at = box.querySelector('.line').getBBox();
                    const matrix = box.querySelector('.line').getScreenCTM();
                    return {
                        label: box.querySelector('title').textContent, kind: box.dataset.kind,
                        x: matrix.a * at.x + matrix.e - frame.x, y: matrix.d * at.y + matrix.f - frame.y,
                        width: matrix.a * at.width, height: matrix.d * at.height,
                        shown: [frame.width, frame.height],
                    };
                });
            }""",
            figure,
        )
        return found


@contextmanager
def visiting(browser: Browser, url: str, **look: Any) -> Iterator[Visit]:
    """A tab, a wide one unless it has another look; at its end nothing went wrong in it, or was asked elsewhere."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **look})
    opened = Visit(page, url).open()
    yield opened
    page.close()
    assert opened.complaints == []


def changing(change: Callable[[dict[str, Any]], None]) -> Callable[[Route], None]:
    """Lets the server answer, and changes the answer on its way."""

    def handle(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        change(body)
        route.fulfill(response=response, body=json.dumps(body))

    return handle
