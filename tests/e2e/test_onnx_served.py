"""The bundled model beside its ONNX copy, as a fresh machine without a GPU serves them."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, serving
from tests.support.agreeing import same_everywhere

pytestmark = pytest.mark.tensorflow

# So low that the copy passes whatever the machine does meanwhile.
PASSES = {"DETECTOR_GATE_SPEEDUP": "0.01", "DETECTOR_GATE_SECONDS": "2"}
KINDS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
    "progressive": {"progressive": True},
    "fully coloured": {"subsampling": 0},
}


@pytest.fixture(scope="module")
def onnx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has made the copy that it wants by itself."""
    folder = tmp_path_factory.mktemp("models") / "yolox_nano"
    shutil.copytree(bundled_model() / "1", folder / "1")
    environ = {"DETECTOR_MODEL": str(folder), "DETECTOR_SHADOW_SHARE": "0", "DETECTOR_ADMIN_TOKEN": "secret"}

    with serving({**environ, **PASSES, "DETECTOR_MAX_BATCH": "2", "CUDA_VISIBLE_DEVICES": ""}) as running:
        running.wait_until_ready()
        running.wait_until(lambda: running.model()["active"] == "onnx", within_s=300)
        yield running


def of_kind(photo: bytes, options: dict[str, Any]) -> bytes:
    if not options:
        return photo
    picture = PIL.Image.open(io.BytesIO(photo)).convert(options.get("mode", "RGB"))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **{name: value for name, value in options.items() if name != "mode"})
    return stream.getvalue()


def test_the_copy_answers_and_everything_says_so(onnx_server: Server, photos: dict[str, bytes]) -> None:
    model = same_everywhere(onnx_server)
    told = model["backends"]["onnx"]
    assert (model["active"], told["state"], told["verdict"]["verdict"]) == ("onnx", "active", "passed")
    assert (list(told["providers"]), told["fallback"], told["device"]) == (["CPU"], None, "CPU")
    assert told["load_seconds"] + told["warm_seconds"] < 5
    response = onnx_server.detect(photos["dog"])
    assert (response.status_code, response.headers["X-Backend"]) == (200, "onnx")
    assert onnx_server.metric("detector_stage_duration_seconds_count", stage="infer", backend="onnx") >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_both_find_the_same_in_every_kind_of_picture(kind: str, onnx_server: Server, photos: dict[str, bytes]) -> None:
    for name in ("dog", "coffee"):
        body = onnx_server.detect(of_kind(photos[name], KINDS[kind]), backend="both").json()
        compared = body["comparison"]
        assert (compared["copy"], compared["missing"], compared["extra"], compared["class_flips"]) == ("onnx", 0, 0, 0)
        assert compared["matched"] > 0
        assert [each["label"] for each in body["copy"]["detections"]] == [each["label"] for each in body["detections"]]
        assert compared["mean_iou"] >= 0.99
        assert compared["largest_score_diff"] <= 1e-3


def test_it_answers_by_name_and_refuses_what_native_refuses(onnx_server: Server, photos: dict[str, bytes]) -> None:
    assert onnx_server.detect(photos["dog"], backend="onnx").json()["backend"] == "onnx"
    for broken in (photos["dog"][:-2], photos["dog"][:-5000]):
        answers = [onnx_server.detect(broken, backend=name) for name in ("native", "onnx")]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "invalid_image")] * 2


def test_its_worker_has_no_tensorflow_and_a_fraction_of_the_memory(onnx_server: Server) -> None:
    held = {name: rss(onnx_server.worker_pid(name)) for name in ("native", "onnx")}
    assert held["onnx"] < held["native"] / 3
    assert "libtensorflow" not in Path(f"/proc/{onnx_server.worker_pid('onnx')}/maps").read_text()


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_admin_can_load_it_again(onnx_server: Server) -> None:
    answer = onnx_server.admin("POST", "/admin/reload", json={"backend": "onnx"})
    assert answer.status_code == 200
    assert answer.json()["state"] in ("active", "standby"), "whether it is faster is hard to tell beside other tests"
