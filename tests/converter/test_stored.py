"""Dataclasses as JSON: what comes back, and what is refused."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from converter import stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    sizes: tuple[int, ...] = (1,)
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    inner: Inner
    folder: Path | None = None
    facts: Mapping[str, Any]


@pytest.mark.parametrize(
    "value",
    [
        Outer(inner=Inner(), facts={}),
        Outer(inner=Inner(sizes=(3, 4), share=1), folder=Path("/a b"), facts={"deep": {"list": [1, None, True]}}),
        Outer(inner=Inner(sizes=()), folder=Path(os.fsdecode(b"/no UTF-8: \xff")), facts={}),
    ],
)
def test_it_comes_back(value: Outer) -> None:
    assert stored.from_json(Outer, stored.to_json(value), "it") == value
    assert stored.from_json(Outer, stored.to_json(value, indent=2).encode(), "it") == value


def test_what_is_left_out_is_as_by_default() -> None:
    assert stored.from_json(Outer, '{"inner": {}, "facts": {}}', "it") == Outer(inner=Inner(), facts={})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Invalid JSON"),
        ('{"inner": {}, "facts": {}', "Invalid JSON"),
        ("[]", "Input should be an object"),
        ('{"inner": {}}', "facts: Field required"),
        ('{"inner": {}, "facts": {}, "colour": 1}', "colour: Unexpected keyword argument"),
        ('{"inner": {"colour": 1}, "facts": {}}', "inner.colour: Unexpected keyword argument"),
        ('{"inner": {"sizes": ["1"]}, "facts": {}}', "inner.sizes.0: Input should be a valid integer"),
        ('{"inner": {"sizes": [true]}, "facts": {}}', "inner.sizes.0: Input should be a valid integer"),
        ('{"inner": {"share": "1"}, "facts": {}}', "inner.share: Input should be a valid number"),
        ('{"folder": "\\udcff" "facts"}', "delimiter"),
        pytest.param('{"folder": "\\udcff", "facts": ' + "[" * 100_000, "recursion", id="too deep"),
        ('{"inner": {}, "facts": {}, "folder": "\\udcff", "colour": 1}', "colour: Unexpected keyword argument"),
    ],
)
def test_anything_else_is_refused_with_the_place_and_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^it can't be understood: ") as refusal:
        stored.from_json(Outer, text, "it")
    assert why in str(refusal.value)
