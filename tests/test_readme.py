"""The README is under test: what it shows is what happens, and nothing that can be set, asked or scraped is missing."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.api.errors import STATUS
from app.main import create_app
from app.metrics import Metrics
from app.settings import PREFIX, Settings
from benchmarks.serving import Server
from tests.support.fakes import FakeStarter

ROOT = Path(__file__).parent.parent
MAKE_TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def routes() -> list[str]:
    api = create_app(Settings(copies=()), start_backend=FakeStarter())
    return sorted(api.openapi()["paths"])


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_in_the_readme_with_its_description(name: str, readme: str) -> None:
    field = Settings.model_fields[name]
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}`"))
    assert row.endswith(f"| {field.description} |")


def test_no_setting_in_the_readme_is_unknown(readme: str) -> None:
    named = set(re.findall(PREFIX + "[A-Z_]+", readme))
    assert named == {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("path", routes())
def test_route_is_in_the_readme(path: str, readme: str) -> None:
    assert f"{path}`" in readme


@pytest.mark.parametrize("family", list(Metrics().registry.collect()), ids=lambda family: str(family.name))
def test_metric_is_in_the_readme_with_its_help(family: Any, readme: str) -> None:
    name = family.name + ("_total" if family.type == "counter" else "")
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}`"))
    assert row.endswith(f"| {family.documentation} |")


@pytest.mark.parametrize("error", STATUS, ids=lambda error: str(error.code))
def test_error_code_is_in_the_readme(error: Any, readme: str) -> None:
    rows = [line for line in readme.splitlines() if re.match(r"\| [0-9, ]+ \| `", line)]
    assert any(str(STATUS[error]) in row.split("|")[1] and f"`{error.code}`" in row for row in rows)


@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_make_target_is_explained_by_make_help(target: str) -> None:
    assert target in subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.tensorflow
def test_the_first_request_gets_the_answer_that_is_shown(readme: str, server: Server) -> None:
    command = re.search(r"^\$ (curl .*)$", readme, re.MULTILINE)
    shown = re.search(r"```json\n(.*?)```", readme, re.DOTALL)
    assert command
    assert shown
    words = shlex.split(command[1].replace("localhost:8000", server.url))
    done = subprocess.run([*words, "--silent", "--show-error"], cwd=ROOT, capture_output=True, text=True, check=True)
    answer, example = json.loads(done.stdout), json.loads(shown[1])
    assert answer.keys() == example.keys()
    for found, wanted in zip(answer.pop("detections"), example.pop("detections"), strict=True):
        assert found["label"] == wanted["label"]
        assert found["score"] == pytest.approx(wanted["score"], abs=0.001)
        assert found["box"] == pytest.approx(wanted["box"], abs=0.5)
    assert answer["timing_ms"].keys() == example["timing_ms"].keys()
    for key in ("model", "backend", "image", "count", "batch_size"):
        assert answer[key] == example[key]
