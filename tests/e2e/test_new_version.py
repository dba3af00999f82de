"""A new version of the model under load: nobody is refused, and each answer is of one version."""

import shutil
from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from benchmarks.traffic import traffic
from tests.support.zoo import BARE

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]

DOG = {"1": "dog", "2": "hound", "10": "mutt"}  # what each version calls it


def put(versions: Path, version: str) -> None:
    """A version that tells itself by a name; complete at once, as whoever puts one there should do it."""
    beside = versions.with_name("beside") / version
    shutil.copytree(bundled_model() / "1", beside)
    labels = beside / "assets.extra" / "labels.txt"
    labels.write_text(labels.read_text().replace("18 dog\n", f"18 {DOG[version]}\n"))
    beside.rename(versions / version)


def load_newest(server: Server) -> tuple[int, str]:
    response = server.admin("POST", "/admin/reload", json={"backend": "native"})
    return response.status_code, response.text


def test_a_new_version_takes_over_under_load_and_its_copies_are_made_again(
    tmp_path: Path, photos: dict[str, bytes]
) -> None:
    versions = tmp_path / "model"
    versions.mkdir()
    put(versions, "1")
    environ = {**BARE, "DETECTOR_MODEL": str(versions), "DETECTOR_COPIES": "frozen", "DETECTOR_ADMIN_TOKEN": "secret"}
    with serving(environ) as server:
        server.wait_until_ready()
        server.wait_until(lambda: server.model()["backends"]["frozen"]["state"] == "converting")
        assert load_newest(server)[0] == 409, "the copy of this version is being made"
        job = server.admin("GET", "/convert/jobs").json()[0]
        server.admin("DELETE", f"/convert/jobs/{job['id']}")
        server.ended(job)
        status, sentence = load_newest(server)
        assert (status, "version 1 is the newest there is" in sentence) == (409, True)
        with traffic(server.url, [photos["dog"]], connections=8, pause_s=0.2, backend="auto") as sent:
            sent.wait_for(10)
            put(versions, "2")
            put(versions, "10")
            assert load_newest(server)[0] == 200
            sent.wait_for(10)
        assert (sent.errors, set(sent.statuses)) == ([], {200})
        answers = [response.json() for _, response in sent.answers]
        assert {answer["model"]["version"] for answer in answers} == {"1", "10"}
        for answer in answers:
            assert answer["detections"][0]["label"] == DOG[answer["model"]["version"]]
        assert server.model()["version"] == "10"
        server.wait_until(lambda: (versions / ".10_frozen.lock").exists())  # its copy is being made
