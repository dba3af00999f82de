"""The page for clients is under test: each request gets the answer that is shown; its and the README's snippets run."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.serving import Server
from tests.e2e.test_other_clients import CLIENTS
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (.*?)\n```\n\n```json\n(.*?)```", PAGE, re.DOTALL)
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```(python|javascript)\n(.*?)```", PAGE + README, re.DOTALL)
TIMES = {"inferenceMs", "processMs", "duration"}


def here(text: str, server: Server, rpc: str = "") -> str:
    return text.replace("localhost:8000", server.url.removeprefix("http://")).replace("localhost:8001", rpc)


def assert_alike(found: Any, shown: Any) -> None:
    """The same but for what changes with each request."""
    if isinstance(shown, dict):
        assert list(found) == list(shown)
        for name in shown.keys() - TIMES:
            assert_alike(found[name], shown[name])
    elif isinstance(shown, list):
        assert len(found) == len(shown)
        for one, other in zip(found, shown, strict=True):
            assert_alike(one, other)
    else:
        assert found == (pytest.approx(shown, abs=1e-3) if isinstance(shown, float) else shown)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("command", "answer"), SHOWN, ids=[re.split(r"[/ ]", each[0])[-1] for each in SHOWN])
def test_a_request_gets_the_answer_that_is_shown(command: str, answer: str, server: Server) -> None:
    words = ["bash", "-o", "pipefail", "-c", here(command, server).replace("curl ", "curl -sS ")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert_alike(json.loads(done.stdout), json.loads(answer))


@pytest.mark.tensorflow
@pytest.mark.system
@pytest.mark.parametrize(("language", "code"), SNIPPETS, ids=[f"{kind}-{code[7:20]}" for kind, code in SNIPPETS])
def test_a_snippet_runs(language: str, code: str, server: Server, rpc: str, tmp_path: Path) -> None:
    file = tmp_path / "snippet"
    file.write_text(here(code, server, rpc))
    program = str(CLIENTS) if language == "python" else "node"
    done = subprocess.run(
        [program, file], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "HF_HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert "dog" in done.stdout or "0.848" in done.stdout


@pytest.mark.tensorflow
@pytest.mark.parametrize("copy", ["frozen"])
def test_a_copy_gives_the_same_tensors(copy: str, server: Server) -> None:
    (command, _), *_ = SHOWN
    answers = []
    for backend in ("native", copy):
        asked = (
            here(command, server).replace('"threshold": 0.5', f'"backend": "{backend}"').replace("curl ", "curl -sS ")
        )
        answers.append(json.loads(subprocess.check_output(["bash", "-c", asked], cwd=ROOT))["predictions"][0])
    native, other = answers
    assert len(native["detection_scores"]) > 3, "all rows"
    for name in native:
        np.testing.assert_allclose(other[name], native[name], atol=1e-3, err_msg=name)


def test_every_protocol_has_a_request_and_its_answer() -> None:
    assert len(SHOWN) == 4
    assert len(SNIPPETS) == 6
