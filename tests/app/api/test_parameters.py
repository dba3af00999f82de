"""Parameters that have several names, or come more than once."""

from typing import Any

import pytest

from app.api.dialects.pairs import collected
from app.api.parameters import TensorParameters, of_one_backend, of_tensors, read
from app.errors import BadParameter
from tests.app.api.conftest import Api, assert_is_error
from tests.support.app import jpegs


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"threshold": "0.5", "confidence": "0.5"}, {}),
        ({}, {"confidence": 0.5, "min_confidence": "0.5", "threshold": 0.5}),
        ({"threshold": "0.50"}, {"confidence": 0.5}),
        ({"min_confidence": "0.5"}, {"confidence": 0.5}),
    ],
)
def test_two_names_of_one_parameter_may_say_the_same(query: dict[str, Any], body: dict[str, Any]) -> None:
    assert read(query, body).threshold == 0.5


def test_they_may_not_differ() -> None:
    with pytest.raises(BadParameter, match=r"^threshold: threshold says '0.5', confidence says '0.6'$"):
        read({"confidence": "0.6", "threshold": "0.5"}, {})


@pytest.mark.parametrize("name", ["threshold", "confidence", "max_detections", "timeout_ms"])
def test_true_is_no_number(name: str) -> None:
    with pytest.raises(BadParameter, match=f"^{name}: Input should be a number; it is 'True'$"):
        read({}, {name: True})
    if name in TensorParameters.model_fields:
        with pytest.raises(BadParameter, match=f"^{name}: Input should be a number; it is 'True'$"):
            of_tensors({name: True})


@pytest.mark.parametrize("name", ["threshold", "confidence", "min_confidence"])
def test_a_protocols_own_threshold_gives_way_to_any_name_of_it(name: str) -> None:
    assert of_one_backend({}, {}, None, threshold=0.4).threshold == 0.4
    for query, body in (({name: "0.1"}, {}), ({}, {name: "0.1"})):
        assert of_one_backend(query, body, None, threshold=0.4).threshold == 0.1


def test_a_name_may_come_again_with_the_same_value_and_classes_add_up() -> None:
    given = [("threshold", "0.5"), ("classes", "dog"), ("theirs", "a"), ("threshold", "0.5"), ("classes", "cat")]
    assert collected([*given, ("theirs", "b")], "the form") == {
        "threshold": "0.5",
        "classes": "dog,cat",
        "theirs": "b",
    }


TWICE = b'{"image": "/9j/", "threshold": 0.5, "threshold": 0.6}'


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "body", "status", "sentence"),
    [
        ("?threshold=0.5&threshold=0.6", {"content": b"x"}, 422, "threshold: the query says '0.5' and '0.6'"),
        (
            "",
            {"files": {"a": jpegs.photo()}, "data": {"threshold": ["0.5", "0.6"]}},
            422,
            "threshold: the form says '0.5' and '0.6'",
        ),
        ("", {"content": TWICE}, 400, "the JSON has 'threshold' more than once in one object"),
    ],
    ids=["query", "form", "JSON"],
)
async def test_a_parameter_that_has_two_values_in_one_place_is_named(
    query: str, body: dict[str, Any], status: int, sentence: str, shared: Api
) -> None:
    response = await shared.client.post(f"/detect{query}", **body)
    assert assert_is_error(response, status, response.json()["code"]) == sentence


def test_tensors_are_asked_for_by_query_and_body() -> None:
    found = of_tensors({"backend": "frozen", "threshold": None}, "7", query={"threshold": "0.5", "theirs": "x"})
    assert (found.backend, found.threshold, found.timeout_ms) == ("frozen", 0.5, 7)
