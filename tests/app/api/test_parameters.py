"""Parameters that have several names."""

from typing import Any

import pytest

from app.api.parameters import of_one_backend, read
from app.errors import BadParameter


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


@pytest.mark.parametrize("name", ["threshold", "confidence", "min_confidence"])
def test_a_protocols_own_threshold_gives_way_to_any_name_of_it(name: str) -> None:
    assert of_one_backend({}, None, threshold=0.4).threshold == 0.4
    assert of_one_backend({name: "0.1"}, None, threshold=0.4).threshold == 0.1
