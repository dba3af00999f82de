"""The table of requirements is under test: it has all of them, and what it names exists."""

import ast
import re

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| R(\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_none_is_missing() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 51))


def test_each_has_its_last_figure() -> None:
    assert [f"R{number}" for number, _, figure in ROWS if figure in ("…", "(pending)")] == []


@pytest.mark.parametrize("held_by", [pytest.param(held_by, id=f"R{number}") for number, held_by, _ in ROWS])
def test_each_is_held_by_what_exists_or_says_what_is_missing(held_by: str) -> None:
    tests, targets = re.findall(r"`([\w/]+\.py)::(\w+)`", held_by), re.findall(r"`make ([\w-]+)`", held_by)
    assert tests or targets or held_by.startswith("not yet held: ")
    assert set(targets) <= TARGETS
    for path, name in tests:
        body = ast.parse((ROOT / "tests" / path).read_text()).body
        assert name in [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
