"""All documents are under test: links lead somewhere, and what is named and shown exists and is understood."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import jsonschema
import pytest

from app.__main__ import parser as app_parser
from app.main import create_app
from app.metrics import Metrics
from app.settings import PREFIX, Settings
from converter import command
from converter.evaluation import command as evaluation
from tests.support import documents
from tests.support.documents import PRESENT, TEXTS, name_of
from tests.support.places import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
MADE = {name.replace("$(VENV)", ".venv") for name in re.findall(r"^(\S+/\S+\.done):", MAKEFILE, re.MULTILINE)}
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
API: dict[str, Any] = create_app(Settings(copies=())).openapi()
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
COMMANDS = [pytest.param(line, id=f"{page}: {line[:50]}") for page, line in documents.commands()]
each_page = pytest.mark.parametrize("page", PRESENT, ids=name_of)


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_every_link_leads_somewhere(page: Any) -> None:
    for link in documents.links(TEXTS[page]):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in documents.anchors(target.read_text(encoding="utf-8")), link


def test_anchors_are_those_of_github() -> None:
    text = "# A `code` & more\n## Twice\n```\n# no heading\n```\n## Twice\n## [A link](there.md): 2.5\n"
    assert documents.anchors(text) == {"a-code--more", "twice", "twice-1", "a-link-25"}


@each_page
def test_no_setting_is_unknown(page: Any) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", PRESENT[page]))
    assert {name for name in named if not name.startswith(f"{PREFIX}TEST_")} - SETTINGS == set()


@each_page
def test_no_series_is_unknown(page: Any) -> None:
    known = {family.name + "_total" * (family.type == "counter") for family in Metrics().registry.collect()}
    named = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"`(detector_[a-z_]+)", PRESENT[page])}
    assert {name for name in named if not name.endswith("_")} - known == set()
    assert all(rule in RULES for rule in re.findall(r"`(detector:[\w:]+)`", PRESENT[page]))


@each_page
def test_no_make_target_is_unknown(page: Any) -> None:
    assert set(re.findall(r"`(?:\S+=\S+ )*make ([a-z][a-z-]*)", PRESENT[page])) - TARGETS == set()


@each_page
def test_no_program_is_unknown(page: Any) -> None:
    for name in re.findall(r"`(?:python -m )?((?:benchmarks|docs)\.[a-z_.]*[a-z])[` ]", PRESENT[page]):
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


@each_page
def test_no_route_is_unknown(page: Any) -> None:
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^` ?]*)", PRESENT[page]):
        assert is_served(method, path), f"{method} {path}"


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_understood(line: str) -> None:
    words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
    for part in split(words):
        for start, check in CHECKS.items():
            if " ".join(part).removeprefix(".venv/bin/").startswith(start):
                check(part)


def split(words: Sequence[str]) -> list[list[str]]:
    """The commands of a line."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", "|", ";"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def check_make(words: Sequence[str]) -> None:
    assert {word for word in words[1:] if "=" not in word} <= TARGETS | MADE


def check_app(words: Sequence[str]) -> None:
    app_parser().parse_args(words[3:])


def check_converter(words: Sequence[str]) -> None:
    evaluates = words[3] == "evaluate"
    parser = evaluation.parser() if evaluates else command.parser()
    parser.parse_args(words[4:] if evaluates else words[3:])


def check_benchmark(words: Sequence[str]) -> None:
    path = ROOT / words[2].replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def check_curl(words: Sequence[str]) -> None:
    """It asks for a route that there is, with a body as that route takes it and files that exist."""
    after = dict(pairwise(words))
    files = [found[1] for word in words if (found := re.fullmatch(r"(?:\w+=)?@([\w/.]+)", word))]
    assert [file for file in files if not (ROOT / file).is_file()] == []
    asked = next(word for word in words if "localhost:8000" in word)
    path = asked.partition("localhost:8000")[2].partition("?")[0] or "/"
    sends = {"-d", "--data-binary", "-F"} & set(words)
    method = after.get("-X", "POST" if sends else "GET")
    assert is_served(method, path), f"{method} {path}"
    if "-d" in after:
        operation = API["paths"][path][method.lower()]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(json.loads(after["-d"]), {**schema, "components": API["components"]})


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "make ": check_make,
    "python -m app ": check_app,
    "python -m converter ": check_converter,
    "python -m benchmarks.": check_benchmark,
    "curl ": check_curl,
}


def test_a_reason_that_is_explained_is_one_that_is_given() -> None:
    page = PRESENT[ROOT / "docs" / "comparison.md"].partition("reason begins with")[2].partition("\n\n")[0]
    cells = [line.split("|")[2] for line in page.splitlines()[2:]]
    sources = "".join(path.read_text() for part in ("app", "converter") for path in (ROOT / part).rglob("*.py"))
    reasons = [reason.strip("… ") for cell in cells for reason in re.findall(r"`([^`]+)`", cell)]
    assert len(reasons) > 12
    assert [reason for reason in reasons if reason not in sources] == []


def test_figures_with_a_source_stand_there() -> None:
    page = ROOT / "docs" / "capacity.md"
    rows = re.findall(r"^\|[^|]+\|[^|]+\| ([^|]+) \|[^|]+\| \[[^]]+\]\(([^)]+)\) \|$", PRESENT[page], re.MULTILINE)
    assert len(rows) == 5
    for measured, source in rows:
        text = (page.parent / source).read_text(encoding="utf-8")
        assert [each for each in re.findall(r"\d[\d.,]*", measured) if each.rstrip(".,") not in text] == []


def is_served(method: str, path: str) -> bool:
    """Whether there is such a route; `{…}` in either path stands for anything, as does a path of another protocol's."""
    alike = [re.sub(r"\{\w+\}", "[^/]+", known) for known, told in API["paths"].items() if method.lower() in told]
    plain = re.sub(r"\{\w+\}", "x", path)
    return any(re.fullmatch(pattern, plain) for pattern in [*alike, "/", "/docs", "/openapi.json"])
