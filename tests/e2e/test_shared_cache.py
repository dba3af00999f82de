"""Two servers that share a cache and start together, each for a model that it can't write beside."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from tests.support.converter.readonly import obeying_permissions
from tests.support.slower import SLOWER

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]


def test_both_get_a_copy_that_is_whole(tmp_path: Path, photos: dict[str, bytes]) -> None:
    models, cache = tmp_path / "models", tmp_path / "cache"
    shutil.copytree(bundled_model() / "1", models / "1")
    environ = {
        "DETECTOR_MODEL": str(models),
        "DETECTOR_CACHE": str(cache),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_ADMIN_TOKEN": "secret",
        **SLOWER,
    }
    models.chmod(0o555)
    try:
        with ExitStack() as stack:
            starting = [serving(environ) for _ in range(2)]
            servers = [obeying_permissions(each.__enter__) for each in starting]
            for each in starting:
                stack.push(each.__exit__)
            for server in servers:
                server.wait_until(lambda server=server: frozen(server)["state"] == "standby", within_s=300)

            jobs = [server.admin("GET", "/convert/jobs").json() for server in servers]
            answers = [server.detect(photos["dog"], backend="frozen") for server in servers]
    finally:
        models.chmod(0o755)
    assert [(job["state"], job["reason"]) for (job,) in jobs] == [("succeeded", "")] * 2
    reports = [{**job["report"], "gate": None} for (job,) in jobs]  # each has judged it for itself
    assert reports[0] == reports[1], "there was one conversion"
    assert [answer.status_code for answer in answers] == [200] * 2
    assert answers[0].json()["detections"] == answers[1].json()["detections"]
    (home,) = cache.iterdir()
    assert home.name.startswith("models-")
    assert {path.name for path in home.iterdir()} - {".hashes.json"} == {"1_frozen", "1_jobs", ".1_frozen.lock"}
    assert {path.name for path in models.iterdir() if path.is_dir()} == {"1"}


def frozen(server: Server) -> Any:
    """What it says of its copy."""
    return server.model()["backends"]["frozen"]
