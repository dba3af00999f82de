"""What is found of a model is found once: kept for the next start, and not taken for anything else's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.backends.findings import describe
from converter.description import API, Declared, Description
from converter.model.found import Outputs
from tests.support.converter.trials import TRUE, described, outputs, written

SHARES = written("yxyx_norm", TRUE * 10, (10, 10))


class Counting:
    """A model that finds the same in every picture, so that only one photo's worth of evidence speaks."""

    def __init__(self, description: Description) -> None:
        self.description, self.calls = description, 0

    def outputs(self, values: Any) -> Outputs:
        """No boxes at all: the documented reading is taken."""
        self.calls += 1
        return outputs(API, SHARES, (10, 10), rows=0)


def test_a_second_start_reads_what_the_first_one_found(tmp_path: Path) -> None:
    kept, first, second = tmp_path / "found" / "a.json", Counting(described(API)), Counting(described(API))
    found = describe(first, kept, Declared())
    assert (found.boxes, first.calls > 0, describe(second, kept, Declared()), second.calls) == (
        "yxyx_norm",
        True,
        found,
        0,
    )


@pytest.mark.parametrize("change", ["declared", "input", "broken", "link", "no_place"])
def test_it_is_found_anew_for_anything_else(tmp_path: Path, change: str) -> None:
    kept, declared = tmp_path / "a.json", Declared()
    describe(Counting(described(API)), kept, declared)
    model = Counting(described(API))
    if change == "declared":
        declared = Declared(nms_count=3)
    if change == "input":
        model.description = replace(model.description, input=replace(model.description.input, name="other"))
    if change == "broken":
        kept.write_text('{"description": 3}')
    if change == "link":
        kept.rename(tmp_path / "b.json")
        kept.symlink_to(tmp_path / "b.json")
    found = describe(model, kept / "below" if change == "no_place" else kept, declared)
    assert (found.boxes, model.calls > 0) == ("yxyx_norm", True)


def test_what_is_declared_costs_nothing(tmp_path: Path) -> None:
    model = Counting(described(API, boxes="xyxy"))
    assert describe(model, tmp_path / "a.json", Declared()) == model.description
    assert (model.calls, list(tmp_path.iterdir())) == (0, [])
