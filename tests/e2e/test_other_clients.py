"""Clients of other servers drive the real one: they read what the model's own signature gives, and the same objects."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.settings import bundled_model
from benchmarks.serving import Server
from tests.support.places import DOG, ROOT

pytestmark = pytest.mark.tensorflow

MODEL = "yolox_nano"
PROGRAMS = ROOT / "tests" / "support" / "programs"
TYPESCRIPT = ROOT / "tests" / "e2e" / "typescript"
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"
OBJECTS = [("dog", 133, 207, 326, 543), ("bicycle", 53, 138, 572, 423), ("car", 467, 78, 690, 171)]
Outputs = dict[str, Any]


def run(*command: object) -> Any:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def client(which: str, server: Server, other: object) -> Any:
    return run(CLIENTS, PROGRAMS / "other_clients.py", which, server.url, other, DOG)


@pytest.fixture(scope="module")
def direct() -> Outputs:
    """What a direct call of the signature gives."""
    found: Outputs = run(sys.executable, PROGRAMS / "direct_call.py", bundled_model() / "1", DOG)
    return found


def assert_same(found: Outputs, direct: Outputs, *, pictures: int) -> None:
    assert found.keys() == direct.keys()
    for name, value in direct.items():
        np.testing.assert_allclose(found[name], value * pictures, atol=1e-4, err_msg=name)


def asked(server: Server, path: str, **body: Any) -> Any:
    response = httpx.post(server.url + path, json=body, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def test_tensorflow_servings_forms_give_what_the_signature_gives(server: Server, direct: Outputs) -> None:
    b64 = {"b64": base64.b64encode(DOG.read_bytes()).decode()}
    path = f"/v1/models/{MODEL}:predict"
    rows = asked(server, path, signature_name="serving_default", instances=[{"image_bytes": b64}, b64])["predictions"]
    assert_same({name: [row[name] for row in rows] for name in rows[0]}, direct, pictures=2)
    assert_same(asked(server, path, inputs={"image_bytes": [b64]})["outputs"], direct, pictures=1)


@pytest.mark.system
@pytest.mark.parametrize("which", ["triton_http", "triton_grpc", "kserve"])
def test_clients_of_tensors_read_what_the_signature_gives(
    which: str, server: Server, rpc: str, direct: Outputs
) -> None:
    found = client(which, server, rpc)
    assert found["ready"] == [True, True, True]
    assert [each["name"] for each in found["told"]["inputs"]] == ["image_bytes"]
    assert_same(found["outputs"], direct, pictures=2)
    if which != "kserve":
        assert [len(each[0]) for each in found["later"]] == [3, 3, 3]
    if which == "triton_http":
        assert found["scores"][0] == pytest.approx(direct["detection_scores"][0], abs=1e-4)


@pytest.mark.system
def test_hugging_faces_client_reads_the_same_objects(server: Server) -> None:
    raw, above = client("hugging_face", server, "")["found"]
    assert [(label, *(box[side] for side in ("xmin", "ymin", "xmax", "ymax"))) for label, _, box in raw] == OBJECTS
    assert above == raw[:2]


def test_so_does_frigates_request(server: Server) -> None:
    """As frigate/detectors/plugins/deepstack.py asks and reads."""
    body = httpx.post(
        f"{server.url}/v1/vision/detection", data={"api_key": ""}, files={"image": DOG.read_bytes()}, timeout=60
    ).json()
    found = [
        (each["label"], *(each[side] for side in ("x_min", "y_min", "x_max", "y_max"))) for each in body["predictions"]
    ]
    assert found == OBJECTS


@pytest.mark.system
def test_a_generated_client_sends_whole_pictures_forms_and_json(server: Server, tmp_path: Path) -> None:
    found = client("generated", server, tmp_path)
    wanted = [label for label, *_ in OBJECTS]
    assert [each["label"] for each in found["raw"]["detections"]][:3] == wanted
    assert [each["label"] for each in found["json"]["detections"]] == wanted
    assert [each["file"] for each in found["form"]["results"]] == ["a.jpg", "b.jpg"]


@pytest.fixture(scope="module")
def typescript(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that openapi-typescript and tsc make of the document, with all types checked."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "package-lock.json", ".npmrc", "client.ts"):
        shutil.copy(TYPESCRIPT / name, folder)
    modules = TYPESCRIPT / "node_modules"
    if not modules.exists():
        subprocess.run(["npm", "ci"], cwd=TYPESCRIPT, check=True, capture_output=True)
    (folder / "node_modules").symlink_to(modules)
    for program in (
        ["openapi-typescript", f"{server.url}/openapi.json", "-o", "schema.d.ts"],
        ["tsc", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "client.ts"],
    ):
        done = subprocess.run([modules / ".bin" / program[0], *program[1:]], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "client.js"


@pytest.mark.system
def test_so_does_one_in_typescript(server: Server, typescript: Path) -> None:
    found = run("node", typescript, server.url, DOG)
    assert [len(found[name]["detections"]) for name in ("raw", "json")] == [5, 3]
    assert [each["file"] for each in found["form"]["results"]] == ["a.jpg", "b.jpg"]
    assert found["broken"] == 2
