"""The page's files and the samples, as a browser gets them."""

import re

import pytest

from app.api.web import POLICY
from tests.app.api.conftest import Api, assert_is_error
from tests.support.app import jpegs
from tests.support.places import ROOT

pytestmark = pytest.mark.anyio

WEB = ROOT / "app" / "web" / "page"
FILES = sorted(path.name for path in WEB.iterdir() if path.suffix in (".css", ".js", ".svg"))
MOST_LINES = 250


async def test_the_page_comes_with_a_strict_policy(shared: Api) -> None:
    response = await shared.client.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.text.startswith("<!doctype html>")
    assert not re.search(r"<script>|<style|style=|onclick", response.text), "the policy would refuse it"


async def test_the_page_names_no_file_that_is_not_there(shared: Api) -> None:
    text = (await shared.client.get("/")).text
    named = set(re.findall(r'(?:href|src)="(page/[^"]+)"', text))
    assert {name.removeprefix("page/") for name in named} == set(FILES)
    for name in named:
        assert (await shared.client.get(f"/{name}")).status_code == 200


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_packed_for_whoever_can_unpack_it(shared: Api, name: str) -> None:
    plain = await shared.client.get(f"/page/{name}", headers={"Accept-Encoding": "identity"})
    packed = await shared.client.get(f"/page/{name}", headers={"Accept-Encoding": "gzip"})
    assert plain.content == packed.content == (WEB / name).read_bytes()
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Content-Type"].startswith({".css": "text/css", ".js": "text/javascript"}.get(name[-4:], ""))


@pytest.mark.parametrize("name", ["report.html", "index.html", "nothing.js", "..%2f__init__.py"])
async def test_nothing_else_is_a_file_of_the_page(shared: Api, name: str) -> None:
    assert_is_error(await shared.client.get(f"/page/{name}"), 404, "not_found")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_loads_nothing_from_elsewhere(name: str) -> None:
    text = (WEB / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert set(re.findall(r"https?://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "innerHTML" not in text


@pytest.mark.parametrize("name", FILES)
def test_no_script_knows_the_copies_by_name(name: str) -> None:
    words = re.findall(r"\b(?:trt|frozen|onnx)\b", (WEB / name).read_text(encoding="utf-8"))
    assert words == [], "they come from /model"


async def test_samples_are_listed_and_answered(shared: Api) -> None:
    samples = (await shared.client.get("/samples")).json()
    assert {"name": "coffee", "width": 600, "height": 400} in samples
    for sample in samples:
        for path in (f"/samples/{sample['name']}", f"/samples/{sample['name']}/preview"):
            response = await shared.client.get(path)
            assert response.headers["Content-Type"] == "image/jpeg"
            assert response.content.startswith(b"\xff\xd8\xff")
    assert_is_error(await shared.client.get("/samples/tiger"), 404, "not_found")


async def test_the_histogram_is_the_one_that_is_scraped(api: Api) -> None:
    for _ in range(3):
        await api.detect(jpegs.photo())
    told = (await api.client.get("/compare")).json()["infer_histogram"]
    assert told["upper_ms"][:3] == [0.5, 1.0, 1.503]
    assert told["upper_ms"][-1] is None
    counts = told["counts"]["native"]["serving"]
    assert len(counts) == len(told["upper_ms"])
    assert sum(counts) == 3
    for upper, up_to in zip(told["upper_ms"][:-1], range(1, len(counts)), strict=True):
        labels = {"stage": "infer", "backend": "native", "role": "serving", "le": str(round(upper / 1000, 6))}
        assert await api.metric("detector_stage_duration_seconds_bucket", **labels) == sum(counts[:up_to])
