"""`backend=both` on the wire: both sets, their comparison, in every form of a request."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.schemas import DetectAnswer, SeveralAnswer
from app.backends.backend import BatchFailed
from tests.app.api.conftest import assert_is_error
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared
from tests.support.app.comparing import verdict
from tests.support.converter.rows import answer

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
TRAM = (10, 10, 50, 40, 0.9, 64)
LIGHT = (5, 5, 30, 30, 0.7, 65)


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    """Native finds a tram and a light, frozen the tram alone."""
    async with compared(saved_model, shadow_share=0) as running:
        await running.load(frozen=verdict("slower"))
        running.backend("native").answer = lambda image: answer(TRAM, LIGHT)
        running.backend("frozen").answer = lambda image: answer(TRAM)
        yield running


async def send(server: Compared, form: str, pictures: list[bytes], **parameters: Any) -> httpx.Response:
    """The pictures in a form that takes them, both asked for."""
    wanted = {"backend": "both", **parameters}
    texts = [base64.b64encode(picture).decode() for picture in pictures]
    if form == "raw":
        return await server.detect(pictures[0], **wanted)
    if form == "form":
        files = [("image", (f"{number}.jpg", picture)) for number, picture in enumerate(pictures)]
        return await server.client.post("/detect", files=files, data=wanted)
    body = {"image": texts[0]} if form == "JSON" else {"images": texts}
    return await server.client.post("/detect", json={**body, **wanted})


def labels(told: dict[str, Any]) -> list[str]:
    return [each["label"] for each in told["detections"]]


@pytest.mark.parametrize("form", ["raw", "form", "JSON"])
async def test_one_picture_has_both_answers_and_what_differs(form: str, server: Compared) -> None:
    response = await send(server, form, [PHOTO])
    assert response.status_code == 200
    body = response.json()
    assert (body["backend"], labels(body), body["count"]) == ("native", ["tram", "traffic light"], 2)
    copy = body["copy"]
    assert (copy["backend"], labels(copy), copy["count"]) == ("frozen", ["tram"], 1)
    assert copy.keys() == {"backend", "detections", "count", "batch_size", "timing_ms"}
    told = body["comparison"]
    assert (told["copy"], told["native_ms"]) == ("frozen", body["timing_ms"]["infer"])
    assert told["copy_ms"] == copy["timing_ms"]["infer"]
    assert told.items() >= {"agree": False, "matched": 1, "missing": 1, "extra": 0, "class_flips": 0}.items()
    assert (told["mean_iou"], told["largest_score_diff"]) == (1.0, 0.0)
    assert told["reason"]
    assert told["pairs"] == [
        {"kind": "matched", "native": 0, "copy": 0, "iou": 1.0, "score_diff": 0.0},
        {"kind": "missing", "native": 1, "copy": None, "iou": None, "score_diff": None},
    ]
    assert response.headers["X-Backend"] == "native"
    assert DetectAnswer.model_validate(body).model_dump(exclude_unset=True, by_alias=True) == body


@pytest.mark.parametrize("form", ["form", "JSON list"])
async def test_several_pictures_have_both_answers_each(form: str, server: Compared) -> None:
    response = await send(server, form, [PHOTO, b"\xff\xd8\xffhello", PHOTO])
    assert response.status_code == 200
    body = response.json()
    assert [item["status"] for item in body["results"]] == [200, 422, 200]
    for item in (body["results"][0], body["results"][2]):
        assert (labels(item), labels(item["copy"])) == (["tram", "traffic light"], ["tram"])
        assert item["comparison"]["missing"] == 1
    assert body["results"][1].keys() - {"file"} == {"status", "error", "code"}
    assert SeveralAnswer.model_validate(body).model_dump(exclude_unset=True, by_alias=True) == body


async def test_parameters_hold_for_both_and_for_the_comparison(server: Compared) -> None:
    body = (await send(server, "raw", [PHOTO], classes="tram", box="xywh")).json()
    assert labels(body) == labels(body["copy"]) == ["tram"]
    assert body["detections"] == body["copy"]["detections"]
    assert body["detections"][0]["box"] == {"x": 10, "y": 10, "width": 40, "height": 30}
    assert body["comparison"].items() >= {"agree": True, "matched": 1, "missing": 0, "reason": ""}.items()


async def test_the_pairs_are_what_is_counted_and_name_boxes_of_the_answer(server: Compared) -> None:
    near = (80, 0, 90, 9, 0.27, 64)  # too low to count, and first of the trams in neither
    moved = (10, 10, 50, 37, 0.85, 64)
    lamp = (70, 70, 90, 90, 0.5, 82)
    server.backend("native").answer = lambda image: answer(TRAM, LIGHT, (60, 5, 80, 30, 0.6, 47), near)
    server.backend("frozen").answer = lambda image: answer(moved, (*LIGHT[:4], 0.66, 1), lamp)
    body = (await send(server, "raw", [PHOTO])).json()
    told, pairs = body["comparison"], body["comparison"]["pairs"]
    kinds = [pair["kind"] for pair in pairs]
    counted = [kinds.count(kind) for kind in ("matched", "class_flip", "missing", "extra")]
    assert counted == [told[name] for name in ("matched", "class_flips", "missing", "extra")] == [1, 1, 1, 1]
    assert pairs[0] == {"kind": "matched", "native": 0, "copy": 0, "iou": told["mean_iou"], "score_diff": 0.05}
    named = {pair["kind"]: [_label(body, pair["native"]), _label(body["copy"], pair["copy"])] for pair in pairs}
    assert named == {
        "matched": ["tram", "tram"],
        "class_flip": ["traffic light", "class 1"],
        "missing": ["class 47", None],
        "extra": [None, "class 82"],
    }


def _label(told: dict[str, Any], place: int | None) -> str | None:
    label: str | None = None if place is None else told["detections"][place]["label"]
    return label


async def test_another_copy_can_be_compared_by_name(server: Compared) -> None:
    await server.open("onnx")
    server.backend("onnx").answer = lambda image: answer(LIGHT)
    for name, found in (("onnx", ["traffic light"]), ("frozen", ["tram"])):
        body = (await send(server, "form", [PHOTO], compare_with=name)).json()
        assert (body["copy"]["backend"], labels(body["copy"]), body["comparison"]["copy"]) == (name, found, name)
    sentence = assert_is_error(await send(server, "raw", [PHOTO], compare_with="trt"), 503, "backend_unavailable")
    assert sentence.startswith("the backend 'trt' is unavailable")
    for wanted in ({"compare_with": "native"}, {"compare_with": "onnx", "backend": "auto"}):
        assert assert_is_error(await send(server, "raw", [PHOTO], **wanted), 422, "bad_parameter").startswith(
            "compare_with: "
        )


async def test_both_pictures_are_drawn(server: Compared) -> None:
    body = (await send(server, "raw", [PHOTO], annotate="true")).json()
    drawn = [base64.b64decode(each["annotated"].partition(",")[2]) for each in (body, body["copy"])]
    assert all(picture.startswith(b"\xff\xd8\xff") for picture in drawn)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("form", ["raw", "JSON list"])
async def test_as_a_bare_picture_it_is_refused(form: str, server: Compared) -> None:
    server.client.headers["Accept"] = "image/jpeg"
    sentence = assert_is_error(await send(server, form, [PHOTO]), 422, "bad_parameter")
    assert sentence.startswith("Accept: image/jpeg ")
    if form == "raw":
        assert sentence == "Accept: image/jpeg shows the boxes of one backend, not of both"
    assert server.backend("native").batches == []


async def test_a_copy_that_fails_leaves_natives_answer(server: Compared) -> None:
    server.backend("frozen").fails = lambda images: BatchFailed("other", "a kernel failed")
    response = await send(server, "raw", [PHOTO])
    assert response.status_code == 200
    body = response.json()
    assert labels(body) == ["tram", "traffic light"]
    assert (body["copy"]["status"], body["copy"]["code"]) == (500, "model_failed")
    assert "comparison" not in body or body["comparison"] is None
    assert DetectAnswer.model_validate(body).model_dump(exclude_unset=True, by_alias=True) == body


async def test_a_native_that_fails_is_an_error(server: Compared) -> None:
    server.backend("native").fails = lambda images: BatchFailed("other", "a kernel failed")
    assert_is_error(await send(server, "raw", [PHOTO]), 500, "model_failed")


async def test_without_a_warm_copy_it_is_503_with_the_reason(server: Compared) -> None:
    server.starter.open_gate.clear()
    await server.crash("frozen")
    response = await send(server, "raw", [PHOTO])
    sentence = assert_is_error(response, 503, "backend_unavailable")
    assert (
        sentence
        == "there is no copy to compare native with: frozen is crashed; trt is unavailable; onnx is unavailable"
    )
    assert response.headers["Retry-After"] == "2", "when the worker that crashed may be back"


async def test_where_no_copy_will_come_nobody_is_told_to_ask_again(server: Compared) -> None:
    await server.routing.lanes["frozen"].slot.clear("unavailable", "it is not among the copies asked for")
    response = await send(server, "raw", [PHOTO])
    assert_is_error(response, 503, "backend_unavailable")
    assert "Retry-After" not in response.headers


async def test_it_is_counted_for_each_backend_and_in_the_window(server: Compared) -> None:
    await send(server, "JSON list", [PHOTO, PHOTO])
    for backend in ("native", "frozen"):
        assert server.counted("images_total", backend=backend, role="serving", result="ok") == 2
        assert server.counted("stage_duration_seconds_count", backend=backend, stage="infer") == 2
    assert server.counted("request_duration_seconds_count", route="/detect", backend="both", code="200") == 1
    assert server.counted("compare_pairs_total", copy="frozen", source="both", result="disagree") == 2
    (worst, _) = (await server.get("/compare"))["copies"]["frozen"]["window"]["worst"]
    assert worst["missing"] == 1
