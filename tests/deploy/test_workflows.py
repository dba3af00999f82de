"""The workflows for GitHub Actions: valid, and true to what they run. They have run nowhere yet."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.images.__main__ import TARGETS, parser
from tests.support.places import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def schema_check(*files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    [workflow] = WORKFLOWS
    jobs: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return jobs


def commands(job: dict[str, Any]) -> list[str]:
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def test_they_follow_the_schema() -> None:
    done = schema_check(*map(str, WORKFLOWS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_can_refuse(tmp_path: Path) -> None:
    [workflow] = WORKFLOWS
    broken = tmp_path / "broken.yml"
    broken.write_text(workflow.read_text().replace("runs-on:", "runs_on:"))
    assert schema_check(str(broken)).returncode == 1


def test_a_job_may_only_read_and_ends_in_time() -> None:
    for workflow in (yaml.safe_load(path.read_text()) for path in WORKFLOWS):
        assert workflow["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_the_checks_are_those_of_ci_on_the_debian_that_it_is_for(jobs: dict[str, Any]) -> None:
    assert commands(jobs["checks"])[-1] == ".ci/run"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert jobs["checks"]["container"]["image"] == "debian:bookworm"
    assert re.search(r"^FROM python:3\.11-slim-bookworm AS base$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("target", TARGETS)
def test_each_image_is_built_and_checked(jobs: dict[str, Any], target: str) -> None:
    assert target in jobs["images"]["strategy"]["matrix"]["target"]
    make, *words = shlex.split(commands(jobs["images"])[-1].replace("${{ matrix.target }}", target))
    assert (make, words[0]) == ("make", "image-check")
    arguments = parser().parse_args(shlex.split(words[1].removeprefix("ARGS=")))
    assert (arguments.engine, arguments.targets) == ("docker", [target])
