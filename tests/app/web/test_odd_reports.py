"""Reports that are odd or hostile: whatever they hold, the page stays whole and none of it becomes markup."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from typing import Any

import pytest

from app.web.report_page import page
from tests.support.app.reported import FROZEN, Parsed, trt

HOSTILE = "<script>alert('1')</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}{% raw %}"
ODD: list[Any] = [None, "", HOSTILE, 0, -1, 1e-320, 10**400, float("nan"), True, [], [[None]], {}, {"1": 1}, "\ud800\0"]


def places(value: Any, path: str = "") -> Iterator[str]:
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield f"{path}{key}"
        yield from places(each, f"{path}{key}\n")


def rounds() -> Iterator[tuple[str, ...]]:
    """Places to be changed together: a part of the report alone; inside them, one of each that stands by itself."""
    below: dict[str, list[str]] = {}
    for path in places(trt()):
        part, *inside = path.split("\n")
        if not inside:
            yield (path,)
        elif "8" not in inside:  # as batch size 1
            below.setdefault("options" if part == "identity" else part, []).append(path)
    yield from (tuple(filter(None, each)) for each in zip_longest(*below.values()))


def changed(paths: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The report with another value in these places."""
    report = trt()
    for path in paths:
        inside: Any = report
        *way, last = path.split("\n")
        for key in way:
            inside = inside[int(key) if isinstance(inside, list) else key]
        inside[int(last) if isinstance(inside, list) else last] = value
    return report


@cache
def tags(markup: str) -> frozenset[str]:
    """Of a page without its plain text: many are the same then, and reading one takes longer than making it."""
    return frozenset(tag for tag, _ in Parsed(markup).elements)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_no_odd_value_in_any_place_breaks_the_page_or_gets_into_its_markup(odd: Any) -> None:
    for paths in rounds():
        html = page(changed(paths, odd))
        html.encode()
        assert tags(re.sub("""(?<=>)[^<>"']+(?=<)""", "", html)).isdisjoint({"script", "img"})
        assert not re.search(r"\b(None|nan|Undefined)\b", html)


def test_names_are_escaped_too_and_no_template_of_theirs_runs() -> None:
    report = {key: {HOSTILE: {HOSTILE: HOSTILE}} for key in FROZEN} | {"target": HOSTILE, "created": HOSTILE}
    parsed = Parsed(page(report))
    assert {tag for tag, _ in parsed.elements}.isdisjoint({"script", "img"})
    assert HOSTILE in parsed.text
