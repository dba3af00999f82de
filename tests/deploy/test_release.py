"""What a release is made of: one version, notes for it, and a wheel that answers (`make release-check` does it all)."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import app
from tests.support.places import ROOT

PROGRAM = ROOT / "deploy" / "release_check.py"
CHECK = runpy.run_path(str(PROGRAM))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)


def test_the_version_stands_in_one_place() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    places = [ROOT / name for name in tracked.splitlines() if not name.endswith((".lock", ".json", ".txt"))]
    text = f'"{app.__version__}"'
    found = [path.relative_to(ROOT) for path in places if path.is_file() and text in path.read_text("utf-8", "replace")]
    assert found == [Path("app/__init__.py")]
    assert CHECK["version_here"]() == app.__version__


def test_the_changelog_has_its_versions_in_order() -> None:
    first, *others = HEADINGS
    assert first == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - 20\d\d-\d\d-\d\d", each) for each in others]
    assert all(found)
    versions = [tuple(map(int, each.groups())) for each in found if each]
    assert versions == sorted(set(versions), reverse=True)
    assert tuple(map(int, app.__version__.split(".")[:3])) >= versions[0]


def test_a_version_has_its_notes_and_no_others() -> None:
    parts = [
        "# Changes",
        "## [Unreleased]",
        "- new",
        "## [1.2.0] - 2026-01-02",
        "### Added\n- old",
        "## [1.1.0] - 2026-01-01",
    ]
    text = "\n\n".join([*parts, "- older\n"])
    assert CHECK["notes_of"]("1.2.0", text) == "### Added\n- old\n"
    assert CHECK["notes_of"]("1.3.0.dev0", text) == "- new\n"
    with pytest.raises(CHECK["NotFit"], match=r"says nothing of \[1\.3\.0\]"):
        CHECK["notes_of"]("1.3.0", text)
    assert CHECK["notes_of"](app.__version__, CHANGELOG)


@pytest.mark.long
def test_a_release_is_built_installed_and_answers(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, PROGRAM, tmp_path / "dist"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "dist").iterdir()} == {".gz", ".whl", ".md"}
