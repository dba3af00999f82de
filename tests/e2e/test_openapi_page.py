"""The OpenAPI page: a person uploads a picture and sees boxes; every example on it works as it is."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import PIL.Image
import pytest
from playwright.sync_api import Page, Request, sync_playwright

from app.main import create_app
from app.settings import Settings
from benchmarks.serving import Server
from tests.support.e2e.browsing import CHROMIUM, FLAGS
from tests.support.fakes import FakeStarter
from tests.support.places import DOG

API = create_app(Settings(copies=()), start_backend=FakeStarter()).openapi()
OPERATION = API["paths"]["/detect"]["post"]
ASKED = OPERATION["requestBody"]["content"]["application/json"]["examples"]
ANSWERED = [
    (status, name, example["value"])
    for status, response in OPERATION["responses"].items()
    for name, example in response["content"]["application/json"].get("examples", {}).items()
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1200, "height": 1600})
        browser.close()


@pytest.mark.tensorflow
@pytest.mark.system
def test_a_person_uploads_a_picture_and_sees_its_boxes(server: Server, page: Page, tmp_path: Path) -> None:
    elsewhere: list[str] = []
    errors: list[str] = []
    own = (server.url, "blob:", "data:")

    def note(request: Request) -> None:
        if not request.url.startswith(own):
            elsewhere.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{server.url}/docs")
    block = page.locator("#operations-detection-detect")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_label("Request content type").select_option("image/jpeg")
    block.locator(".opblock-section-request-body input[type=file]").set_input_files(str(DOG))
    block.locator(".responses-inner select").first.select_option("image/jpeg")
    block.get_by_role("button", name="Execute").click()
    shown = block.locator(".live-responses-table img")
    shown.wait_for(timeout=30_000)
    size = shown.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
    assert size == [768, 576]
    shown.screenshot(path=tmp_path / "shown.png")
    with PIL.Image.open(tmp_path / "shown.png") as picture:
        colours = picture.convert("RGB").getcolors(1 << 24)
    frame = [count for count, colour in colours or [] if isinstance(colour, tuple) and near(colour, (255, 192, 64))]
    assert sum(frame) > 200  # the dog's
    assert (elsewhere, errors) == ([], [])


def near(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) < 40


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ASKED)
def test_every_example_of_a_body_is_answered(server: Server, name: str) -> None:
    with server.client as client:
        response = client.post("/detect", json=ASKED[name]["value"])
    assert response.status_code == 200
    against_the_schema("200", response.json())
    pictures = response.json().get("results", [response.json()])
    assert pictures[0]["detections"][0]["label"] == "cup"


@pytest.mark.parametrize(("status", "name", "value"), ANSWERED, ids=lambda value: str(value)[:20])
def test_every_example_of_an_answer_fits_its_schema(status: str, name: str, value: Any) -> None:
    against_the_schema(status, value)
    if int(status) >= 400:
        assert value["code"] == name


@pytest.mark.tensorflow
@pytest.mark.parametrize("parameters", [{}, {"box": "xywh", "annotate": True}, {"box": "cxcywh"}, {"box": "yxyx_norm"}])
def test_a_real_answer_fits_the_schema(server: Server, photos: dict[str, bytes], parameters: dict[str, Any]) -> None:
    against_the_schema("200", server.detect(photos["dog"], **parameters).json())


def against_the_schema(status: str, value: Any) -> None:
    schema = OPERATION["responses"][status]["content"]["application/json"]["schema"]
    jsonschema.validate(value, {**schema, "components": API["components"]})


def test_the_sample_on_the_page_is_a_small_jpeg() -> None:
    sample = base64.b64decode(ASKED["one picture"]["value"]["image"])
    assert len(sample) < 8000
    assert max(PIL.Image.open(io.BytesIO(sample)).size) == 128
