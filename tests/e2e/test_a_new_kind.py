"""A kind of copy that nobody has heard of: one file, and one line in the list of kinds; the server knows the rest."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import Server, clean_environ, serving
from tests.support.places import ROOT

pytestmark = pytest.mark.tensorflow

MODULE = '''"""Baked copies: frozen ones by another name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.contract import Options
from converter.kind import Kind
from converter.progress import Progress


def _make(source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
    from converter.graph import freeze

    return {**freeze.make(source, into, options, progress), "minutes_in_the_oven": 40}


KIND = Kind(name="baked", title="Baked copy", runner="tensorflow", steps=("load", "convert", "save"), make=_make)
'''
LAST_LINE = '    "onnx",\n'
ENVIRON = {
    "DETECTOR_ADMIN_TOKEN": "secret",
    "DETECTOR_STARTUP_CONVERSION": "off",
    "DETECTOR_MAX_BATCH": "1",
    "DETECTOR_GATE_SECONDS": "1",
    "DETECTOR_GATE_SPEEDUP": "0.01",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, with a kind of copy more."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("app", "converter"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    model = Path("models", "yolox_nano", "1")
    shutil.copytree(ROOT / model, folder / model)
    listed = folder / "converter" / "targets" / "__init__.py"
    text = listed.read_text()
    assert text.count(LAST_LINE) == 1
    listed.write_text(text.replace(LAST_LINE, f'{LAST_LINE}    "baked",\n'))
    (listed.parent / "baked.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Server]:
    """A server of this project that serves the copy."""
    with serving({**ENVIRON, "PYTHONPATH": ""}, cwd=project) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def job(server: Server) -> Any:
    """The conversion that made it."""
    return server.ended(server.convert(target="baked"))


def test_it_is_told_before_it_is_made(server: Server) -> None:
    assert "baked" in server.model()["backends"]
    schemas = server.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["ConvertRequest"]["properties"]["target"]["enum"] == ["trt", "frozen", "onnx", "baked"]


def test_the_doctor_knows_it(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "doctor", "--json"],
        cwd=project,
        env=clean_environ({"PYTHONPATH": ""}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["targets"]["baked"]["available"]
    assert found["folder"]["baked"]["folder"].endswith("1_baked")


def test_it_is_made_judged_and_served(server: Server, job: Any, photos: dict[str, bytes]) -> None:
    assert (job["state"], job["reason"]) == ("succeeded", "")
    assert job["report"]["facts"]["minutes_in_the_oven"] == 40
    assert {word["verdict"] for word in job["report"]["agreement"].values()} == {"agrees"}
    assert job["report"]["gate"]["verdict"]["verdict"] == "passed"
    answer = server.detect(photos["dog"], backend="baked")
    assert answer.status_code == 200, answer.text
    assert "dog" in {found["label"] for found in answer.json()["detections"]}


def test_it_has_a_name_for_people(server: Server, job: Any) -> None:
    page = server.admin("GET", f"/convert/jobs/{job['id']}/report", headers={"Accept": "text/html"}).text
    assert "Baked copy" in page
