"""Answers name folders and files, and never where they lie."""

from pathlib import Path

import pytest

from app.api.discretion import discreet, discreet_in
from tests.app.api.conftest import Admin, Start
from tests.support.app import jpegs
from tests.support.app.converting import Programs


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "the copy can't be written to /cache: Permission denied",
            "the copy can't be written to cache: Permission denied",
        ),
        ("Load model from //srv//1_onnx/model.onnx failed", "Load model from model.onnx failed"),
        ("can't read /srv/my photos/a b/c.jpg: no", "can't read c.jpg: no"),
        ("rename '/srv/my photos/a b.jpg' -> \"/c/d\"", "rename 'a b.jpg' -> \"d\""),
        ("No: '/x odd/g (1)/m,x :y/1'", "No: '1'"),
        ('"/x/it\'s (1)/c/": no', '"c": no'),
        ("/model/1/saved_model.pb, /convert/x", "saved_model.pb, x"),
        ("failed:/onnxruntime_src/core/graph.cc:12", "failed:graph.cc:12"),
        ("[Errno 28] No space left on device: '/a/b/c.pb'", "[Errno 28] No space left on device: 'c.pb'"),
        ("LD_LIBRARY_PATH=/opt/a:/opt/b/lib/", "LD_LIBRARY_PATH=a:lib"),
        (
            "file:///srv/m\N{LATIN SMALL LETTER O WITH DIAERESIS}del (/srv/x)",
            "m\N{LATIN SMALL LETTER O WITH DIAERESIS}del (x)",
        ),
        ("{{function_node __wrapped}} bad shape [[{{node cnn/conv}}]]", "bad shape"),
        *(
            (same, same)
            for same in (
                "GET /model lists them",
                "see '/convert/jobs', or /docs.",
                "it goes to /v1/models/NAME:predict, or to /models/NAME",
                "http://host/a/b",
                "a/b, 1/2, +/- 3",
                "/",
                "text/html",
                "1 / 2",
            )
        ),
    ],
)
def test_a_path_is_its_last_name(text: str, told: str) -> None:
    assert discreet(text) == told


def test_everything_in_a_value_is_told_so() -> None:
    value = {"/a/b": ["/a/b", ("/c/d", 1)], "images": Path("/photos/mine"), "n": None}
    assert discreet_in(value) == {"/a/b": ["b", ["d", 1]], "images": "mine", "n": None}


@pytest.mark.anyio
async def test_reasons_jobs_and_errors_tell_no_path(start: Start, programs: Programs, saved_model: Path) -> None:
    programs.on_a_gpu("NVIDIA H100")
    photos = saved_model / "secret (1)" / "mine, x:y"
    photos.mkdir(parents=True)
    settings = {"admin_token": "sesame", "precision": "INT8", "calibration_images": photos}
    admin = Admin(await start(**settings))
    job = await admin.ended(await admin.convert())
    shown = await admin.client.get("/model")
    routes = (await admin.client.get("/openapi.json")).json()["paths"]
    assert [route for route in routes if discreet(f"see {route}") != f"see {route}"] == []
    (saved_model / "1" / "saved_model.pb").unlink()
    answers = [shown, *[await admin.client.get(path) for path in ("/compare", "/convert/jobs")]]
    answers += [await admin.client.get(f"/convert/jobs/{job['id']}/report")]
    answers += [await admin.post("/admin/reload", backend=name) for name in ("native", "trt")]
    answers += [await admin.api.detect(jpegs.photo(), backend="trt")]
    assert job["reason"] == "mine, x:y has no JPEG file (*.jpg, *.jpeg)"
    assert job["reason"] in shown.json()["backends"]["trt"]["reason"]
    assert "street_signs is not a SavedModel" in answers[4].json()["error"]
    assert [
        answer.text for answer in answers if str(saved_model.parent) in answer.text or "secret" in answer.text
    ] == []
