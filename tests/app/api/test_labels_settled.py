"""Names without ids at the start of a server and at a new version: settled by what the model finds, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.images import Image
from converter.model.detections import Detections
from tests.app.api.conftest import Api, Start
from tests.support.app import jpegs
from tests.support.fakes import FakeBackend, FakeStarter, until

pytestmark = pytest.mark.anyio


class Counting(FakeStarter):
    """Starts backends that find one class in every picture."""

    def __init__(self, class_id: int) -> None:
        super().__init__()
        self.class_id = class_id

    async def __call__(self, spec: Any) -> FakeBackend:
        backend = await super().__call__(spec)
        backend.answer = self._answer
        return backend

    def _answer(self, image: Image) -> Detections:
        corners = np.array([[0, 0, image.width, image.height]], np.float32)
        return Detections(corners, np.array([0.9], np.float32), np.array([self.class_id], np.int32))


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("person\nbicycle\n")
    return path


async def told(api: Api) -> tuple[dict[str, str], str]:
    body = (await api.client.get("/model")).json()
    return body["labels"], body["label_evidence"]


async def test_they_are_settled_before_the_server_is_ready(start: Start, names: Path) -> None:
    api = await start(Counting(0), labels=names)
    await api.ready()
    labels, evidence = await told(api)
    assert labels == {"0": "person", "1": "bicycle"}
    assert evidence == "lines of names alone, the first is class 0: it finds class 0 in the packaged photos"
    assert (await api.detect(jpegs.photo())).json()["detections"][0]["label"] == "person"


async def test_the_setting_settles_them_without_a_look(start: Start, names: Path) -> None:
    api = await start(Counting(1), labels=names, label_offset=1)
    await api.ready()
    assert await told(api) == ({"1": "person", "2": "bicycle"}, "lines of names alone, the first is class 1: declared")
    assert api.native.batches == []


async def test_without_evidence_the_start_is_refused(start: Start, names: Path) -> None:
    api = await start(Counting(1), labels=names)
    await until(lambda: bool(api.failures))
    assert "say the class of the first name by DETECTOR_LABEL_OFFSET" in api.failures[0]


async def test_a_new_version_is_settled_anew(start: Start, names: Path, saved_model: Path) -> None:
    starter = Counting(0)
    api = await start(starter, labels=names, admin_token="sesame")
    await api.ready()
    (saved_model / "2").mkdir()
    (saved_model / "2" / "saved_model.pb").write_bytes(b"a newer graph")
    starter.class_id = 2
    reload: dict[str, Any] = {"json": {"backend": "native"}, "headers": {"Authorization": "Bearer sesame"}}
    response = await api.client.post("/admin/reload", **reload)
    assert response.status_code == 200, response.text
    assert (await told(api))[0] == {"1": "person", "2": "bicycle"}
    (saved_model / "3").mkdir()
    (saved_model / "3" / "saved_model.pb").write_bytes(b"the newest graph")
    starter.class_id = 1
    response = await api.client.post("/admin/reload", **reload)
    assert (response.status_code, response.json()["code"]) == (409, "not_loaded")
    assert "DETECTOR_LABEL_OFFSET" in response.json()["error"]
    assert (await told(api))[0] == {"1": "person", "2": "bicycle"}
