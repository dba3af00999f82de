"""Versions of the model: listed, loaded by name, pinned, unpinned."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.app.api.conftest import Admin, assert_is_error
from tests.support.app import jpegs
from tests.support.fakes import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def three(admin: Admin, saved_model: Path) -> Admin:
    """Version 1 serves; since then 2 and 3 have come, which call its class otherwise."""
    await admin.api.ready()
    for version in ("2", "3"):
        shutil.copytree(saved_model / "1", saved_model / version)
        (saved_model / version / "saved_model.pb").write_text(version)
        (saved_model / version / "assets.extra" / "labels.txt").write_text(f"64 tram of {version}\n")
    return admin


async def told(admin: Admin) -> dict[str, Any]:
    body: dict[str, Any] = (await admin.client.get("/model/versions")).json()
    return body


async def test_a_version_is_loaded_by_name_and_stays_pinned_with_its_labels(three: Admin) -> None:
    assert await told(three) == {"name": "street_signs", "serving": "1", "pinned": None, "versions": ["3", "2", "1"]}
    assert (await three.post("/admin/reload", backend="native", version="2")).status_code == 200
    assert {**await told(three), "versions": []} == {
        "name": "street_signs",
        "serving": "2",
        "pinned": "2",
        "versions": [],
    }
    sentence = assert_is_error(await three.post("/admin/reload", backend="native"), 409, "not_loaded")
    assert sentence == 'version 2 is pinned (ask for "newest" to unpin it), and is served already'
    response = await three.client.post("/detect", content=jpegs.photo())
    assert response.json()["model"]["version"] == "2"
    assert response.json()["detections"][0]["label"] == "tram of 2"


async def test_back_and_to_the_newest(three: Admin) -> None:
    for asked, serving, pinned in (("3", "3", "3"), ("1", "1", "1"), ("newest", "3", None)):
        assert (await three.post("/admin/reload", backend="native", version=asked)).status_code == 200
        now = await told(three)
        assert (now["serving"], now["pinned"]) == (serving, pinned)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"backend": "native", "version": "7"}, 409, "there is no version '7'; there are: 3, 2, 1"),
        ({"backend": "native", "version": "../1"}, 422, "version: "),
        ({"backend": "frozen", "version": "2"}, 422, "version: it goes with the backend 'native'"),
    ],
)
async def test_what_can_not_be_loaded_is_told_and_changes_nothing(
    body: dict[str, str], status: int, sentence: str, three: Admin
) -> None:
    response = await three.post("/admin/reload", **body)
    assert sentence in assert_is_error(response, status, response.json()["code"])
    assert (await told(three))["serving"] == "1"


async def test_a_copy_that_nobody_asked_for_is_not_promised_for_the_new_version(three: Admin) -> None:
    slots = [three.api.parts.routing.lanes[name].slot for name in ("trt", "frozen")]
    before = [slot.phase for slot in slots]
    assert "not among the copies asked for" in before[0].reason
    assert (await three.post("/admin/reload", backend="native", version="2")).status_code == 200
    await until(lambda: [slot.phase for slot in slots] == before)
