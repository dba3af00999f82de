"""Outputs that a copy does not give: answered by native, or refused by name."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.api.dialects.tensors import _stacked, gathered
from app.api.serving import Tensors
from app.errors import BadRequest, NotAJpeg, Overloaded, ServiceError
from app.images import Image
from app.verdicts.verdict import Verdict
from converter.model.detections import Detections
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs
from tests.support.app.compared import Compared, compared
from tests.support.app.comparing import size_verdict
from tests.support.fakes import FACTS, FakeStarter, found

pytestmark = pytest.mark.anyio

TENSOR: dict[str, Any] = {
    "name": "image_bytes",
    "shape": [1],
    "datatype": "BYTES",
    "data": [base64.b64encode(jpegs.photo()).decode()],
}
LESS = replace(FACTS, tensors={"gives": ["detection_scores"]})


@pytest.fixture
async def server(saved_model: Path) -> AsyncIterator[Compared]:
    """A frozen copy answers `auto`, and gives the scores alone."""
    async with compared(saved_model) as made:
        await made.open("frozen")
        made.backend("frozen").facts = LESS
        assert (await made.put(backend="frozen")).json()["active"] == "frozen"
        yield made


async def infer(server: Compared, *outputs: str, **parameters: Any) -> httpx.Response:
    body = {"inputs": [TENSOR], "outputs": [{"name": name} for name in outputs], "parameters": parameters}
    return await server.client.post("/v2/models/street_signs/infer", json=body)


@pytest.mark.parametrize(
    ("outputs", "backend", "answers"),
    [
        (("detection_scores",), "auto", "frozen"),
        (("detection_scores",), "frozen", "frozen"),
        (("detection_scores", "num_detections"), "auto", "native"),
        ((), "auto", "native"),
        ((), "native", "native"),
    ],
)
async def test_who_has_them_answers(outputs: tuple[str, ...], backend: str, answers: str, server: Compared) -> None:
    response = await infer(server, *outputs, backend=backend)
    assert (response.status_code, response.headers["X-Backend"]) == (200, answers), response.text
    assert response.json()["parameters"] == {"backend": answers}


async def test_a_copy_that_is_named_and_lacks_one_is_refused_by_name(server: Compared) -> None:
    sentence = assert_is_error(await infer(server, backend="frozen"), 422, "bad_parameter")
    assert sentence == "backend: 'frozen' does not give the output 'detection_boxes'; native does"


async def test_their_pictures_are_compared_in_the_background_without_tensors(server: Compared) -> None:
    server.parts.shadow.share = 1
    await infer(server, "detection_scores")
    await server.until_counted("compare_pairs_total", 1, copy="frozen", source="shadow")
    assert not server.backend("native").batches[-1][0].raw


async def test_where_size_classes_have_other_copies_all_of_them_must_give_what_is_asked(server: Compared) -> None:
    lower, higher = size_verdict("passed", low=1.2), size_verdict("passed", low=1.4)
    verdicts = {"trt": Verdict({"small": higher}), "frozen": Verdict({"small": lower, "large": higher})}
    await server.put(backend="auto")
    await server.load(**verdicts)
    server.backend("frozen").facts = LESS
    assert set(server.parts.routing.answers.values()) >= {"trt", "frozen"}
    response = await infer(server, "num_detections")
    assert (response.status_code, response.headers["X-Backend"]) == (200, "native"), response.text
    assert (await infer(server, "detection_scores")).headers["X-Backend"] == "trt"


def test_outputs_of_other_shapes_are_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="the output 'masks' has another shape for each of these pictures"):
        _stacked([np.zeros((2, 3)), np.zeros((2, 4))], "masks")


@pytest.mark.parametrize(
    ("error", "sentence"), [(NotAJpeg("it is none"), "picture 1 of 2: it is none"), (Overloaded("full"), "full")]
)
def test_an_error_about_one_of_several_pictures_says_which(error: ServiceError, sentence: str) -> None:
    with pytest.raises(type(error), match=f"^{sentence}$"):
        gathered([error, error], Tensors.of(FACTS.tensors), ["num_detections"], threshold=None)
    assert error.args[0] in sentence


@pytest.fixture
async def anchored(start: Start) -> Api:
    """A model with an output that is for all pictures, and a text of each."""
    outputs = {**FACTS.tensors["outputs"], "anchors": ["float32", [3, 1]], "key_bytes": ["string", [None]]}
    told = {**FACTS.tensors, "outputs": outputs, "gives": sorted(outputs), "shared": ["anchors"]}
    api = await start(FakeStarter(facts=replace(FACTS, tensors=told)))
    await api.ready()
    return api


def with_anchors(image: Image, first: float = 1) -> Detections:
    more = {"anchors": np.array([[first], [2], [3]], np.float32), "key_bytes": np.array(b"\0", object)}
    return replace(found(image), raw={**(found(image).raw or {}), **more})


async def test_what_is_for_all_pictures_is_given_once_and_in_rows_with_each(anchored: Api) -> None:
    anchored.native.answer = with_anchors
    b64 = [{"b64": TENSOR["data"][0]}] * 2
    path, said = "/v1/models/street_signs:predict", {"parameters": {"threshold": 0.5}}
    columns = (await anchored.client.post(path, json={"inputs": b64, **said})).json()["outputs"]
    assert (columns["anchors"], columns["key_bytes"]) == ([[1], [2], [3]], [{"b64": "AA=="}] * 2)
    for row in (await anchored.client.post(path, json={"instances": b64, **said})).json()["predictions"]:
        assert (row["anchors"], row["key_bytes"], row["num_detections"]) == ([[1], [2], [3]], {"b64": "AA=="}, 1)
    tensor = {**TENSOR, "shape": [2], "data": TENSOR["data"] * 2}
    response = await anchored.client.post("/v2/models/street_signs/infer", json={"inputs": [tensor]})
    shapes = {each["name"]: (each["datatype"], each["shape"]) for each in response.json()["outputs"]}
    assert (shapes["anchors"], shapes["key_bytes"]) == (("FP32", [3, 1]), ("BYTES", [2]))


NUMBERS = count()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda image: with_anchors(image, next(NUMBERS)), "'anchors' is another one for each of these pictures"),
        (found, "'anchors' has no row for each picture: ask for others"),
    ],
)
async def test_what_can_not_be_told_by_picture_is_refused_by_name(answer: Any, sentence: str, anchored: Api) -> None:
    anchored.native.answer = answer
    tensor = {**TENSOR, "shape": [2], "data": TENSOR["data"] * 2}
    response = await anchored.client.post("/v2/models/street_signs/infer", json={"inputs": [tensor]})
    assert sentence in assert_is_error(response, 400, "bad_request")


@pytest.fixture
async def unbatched(start: Start) -> Api:
    """A model whose outputs have no side for the batch."""
    api = await start(FakeStarter(facts=replace(FACTS, tensors={**FACTS.tensors, "unbatched": True})))
    await api.ready()
    return api


async def test_outputs_without_a_side_for_the_batch_are_those_of_one_picture(unbatched: Api) -> None:
    b64 = {"b64": TENSOR["data"][0]}
    for body in ({"instances": [b64]}, {"inputs": [b64]}):
        answer = (await unbatched.client.post("/v1/models/street_signs:predict", json=body)).json()
        told = answer["predictions"][0] if "instances" in body else answer["outputs"]
        assert (told["num_detections"], len(told["detection_boxes"])) == (2, 2)


async def test_two_pictures_for_them_are_refused(unbatched: Api) -> None:
    v2 = {"inputs": [{**TENSOR, "shape": [2], "data": TENSOR["data"] * 2}]}
    v1 = {"instances": [{"b64": TENSOR["data"][0]}] * 2}
    for path, body in (("/v2/models/street_signs/infer", v2), ("/v1/models/street_signs:predict", v1)):
        response = await unbatched.client.post(path, json=body)
        assert "one picture at a time" in assert_is_error(response, 400, "bad_request")
