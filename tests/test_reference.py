"""The tables that `make docs` writes are those of the code; nothing that can be set, asked or scraped is missing."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.api.access import PUBLIC, covers
from app.api.errors import STATUS
from app.main import create_app
from app.metrics import Metrics
from app.settings import PREFIX, Settings
from docs import capacity, reference
from tests.support.places import ROOT

PAGES = reference.written()
API, SETTINGS, METRICS = (PAGES[ROOT / "docs" / f"{name}.md"] for name in ("api", "settings", "metrics"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_a_page_is_as_it_would_be_written_now(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == PAGES[page], "make docs writes it anew"


def test_every_table_stands_on_one_page() -> None:
    text = "".join(PAGES.values())
    assert [text.count(reference.BEGIN.format(name)) for name in reference.WRITERS] == [1] * len(reference.WRITERS)


def test_make_docs_is_this_program() -> None:
    dry = subprocess.run(["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "docs.reference" in dry.stdout


def test_a_stale_table_is_found_and_mended() -> None:
    stale = API.replace("`not_a_jpeg`", "`no_jpeg`")
    assert stale != API
    assert reference.filled(stale) == API


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_has_a_row_with_its_description(name: str) -> None:
    (row,) = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}` |")]
    meaning = (Settings.model_fields[name].description or "").partition(" Default: ")[0]
    assert row.endswith(f"| {meaning.replace('|', chr(92) + '|')} |")


@pytest.mark.parametrize("family", list(Metrics().registry.collect()), ids=lambda family: str(family.name))
def test_a_metric_has_a_row_with_its_help(family: Any) -> None:
    name = family.name + ("_total" if family.type == "counter" else "")
    (row,) = [line for line in METRICS.splitlines() if line.startswith(f"| `{name}` |")]
    assert f"| {family.type} |" in row
    assert row.endswith(f"| {family.documentation} |")


def test_every_route_has_a_row_with_its_token() -> None:
    for path, methods in create_app(Settings(copies=())).openapi()["paths"].items():
        for method, operation in methods.items():
            (row,) = [line for line in API.splitlines() if line.startswith(f"| `{method.upper()} {path}` |")]
            needs = "" if covers(PUBLIC, path) else "admin" if path.startswith(("/admin", "/convert")) else "token"
            assert f"| {needs} |" in row
            assert operation["summary"] in row


@pytest.mark.parametrize("error", STATUS, ids=lambda error: str(error.code))
def test_an_error_has_a_row(error: Any) -> None:
    assert len(re.findall(rf"^\| {STATUS[error]} \| `{error.code}` \| \S", API, re.MULTILINE)) == 1


def test_a_million_pictures_cost_what_the_formula_says() -> None:
    native = next(each for each in capacity.measured() if each.backend == "native" and "H200" in each.machine)
    assert native.planned_per_s == pytest.approx(0.7 * native.per_s)
    assert native.hours * 3600 * native.planned_per_s == pytest.approx(1e6)
    assert len(capacity.measured()) == 5
