"""The page for operators is under test: no error, no line to act on, no alert, no state and no counter is missing."""

import re

import pytest
import yaml

from app.api.errors import STATUS
from app.metrics import Metrics
from app.verdicts.states import STATES
from tests.support.log_calls import log_calls
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
COUNTERS = [f"{family.name}_total" for family in Metrics().registry.collect() if family.type == "counter"]
USUAL = {"detector_compare_boxes_total", "detector_compare_pairs_total"}  # nothing has gone wrong where these grow
ACTED_ON = {call.fixed for call in log_calls() if call.method not in ("debug", "info")} - {"request"}
ROWS = [
    *(f"| {status} | `{error.code}` |" for error, status in STATUS.items()),
    *(f"| `{name}` |" for name in [*STATES, *sorted(ACTED_ON)]),
    *(f"| `{rule['alert']}` |" for group in RULES["groups"] for rule in group["rules"] if "alert" in rule),
]


@pytest.mark.parametrize("row", ROWS)
def test_there_is_one_row_for_it(row: str) -> None:
    assert len(re.findall(f"^{re.escape(row)}", PAGE, re.MULTILINE)) == 1


def test_every_other_line_and_every_counter_of_what_goes_wrong_is_named() -> None:
    named = {call.fixed for call in log_calls()} | {*COUNTERS} - USUAL
    assert {each for each in named if f"`{each}`" not in PAGE and f"`{each}{{" not in PAGE} == set()
