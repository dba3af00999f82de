"""Starting: what can't work ends with one sentence and a code, what can is ready when it says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving import Server, clean_environ, serving

TRUNCATED = b"\x08\x01\x12\x80\x80\x80\x02broken"


def serve(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", "serve", *arguments]
    variables = clean_environ({"DETECTOR_BIND": "127.0.0.1:0", **environ})
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"DETECTOR_MAX_BATCH": "many"}, "serve: DETECTOR_MAX_BATCH: Input should be a valid integer"),
        ({"DETECTOR_BIND": "8000"}, "serve: DETECTOR_BIND: '8000' is not an address and a port"),
        ({"DETECTOR_COPIES": "trt,tflite"}, "serve: DETECTOR_COPIES: "),
        ({"DETECTOR_MODEL": "no/such/folder"}, "serve: there is no model at no/such/folder"),
    ],
)
def test_a_wrong_setting_is_one_sentence(environ: dict[str, str], sentence: str) -> None:
    done = serve(**environ)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.tensorflow
def test_an_address_that_grpc_can_not_have_ends_the_server_with_a_sentence() -> None:
    done = serve(DETECTOR_COPIES="", DETECTOR_GRPC_BIND="192.0.2.1:1")
    assert done.returncode == 1
    assert last_line(done).startswith("serve: gRPC can't listen on 192.0.2.1:1: ")
    assert "Traceback" not in done.stderr


def test_an_option_is_named_as_it_was_given() -> None:
    assert serve("--max-batch", "0").stderr.startswith("serve: --max-batch: Input should be greater than or equal to 1")


def test_a_folder_that_is_no_saved_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.keras").touch()
    done = serve(DETECTOR_MODEL=str(tmp_path))
    assert done.returncode == 2
    assert "is not a SavedModel (no saved_model.pb)" in done.stderr
    assert "model.export" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_where_the_log_is_json_the_sentence_is_too() -> None:
    done = serve(DETECTOR_MODEL="no/such/folder", DETECTOR_LOG_FORMAT="json")
    assert done.returncode == 2
    assert json.loads(done.stderr)["reason"] == "there is no model at no/such/folder: no such file or folder"


@pytest.mark.tensorflow
def test_a_truncated_model_ends_the_server_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(TRUNCATED)
    done = serve(DETECTOR_MODEL=str(tmp_path))
    assert done.returncode == 1
    assert "can't be served: TensorFlow can't load 1: " in last_line(done)
    assert last_line(done).startswith("serve: the model ")


CLASSIFIER = """
import sys, tensorflow as tf
module = tf.Module()
module.serve = tf.function(lambda image_bytes: {"scores": tf.zeros([tf.shape(image_bytes)[0], 1000])},
                           input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
tf.saved_model.save(module, sys.argv[1], signatures={"serving_default": module.serve})
"""


@pytest.mark.tensorflow
def test_a_classifier_ends_the_server_naming_what_is_missing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CLASSIFIER, str(tmp_path / "1")], check=True, capture_output=True)
    done = serve(DETECTOR_MODEL=str(tmp_path))
    assert done.returncode == 1
    assert "the signature lacks the output 'detection_boxes'" in last_line(done)
    assert "it gives: scores" in last_line(done)


@pytest.mark.tensorflow
def test_it_listens_at_once_and_is_ready_when_native_is_warm(model_folder: Path, photos: dict[str, bytes]) -> None:
    with serving({"DETECTOR_MODEL": str(model_folder), "DETECTOR_COPIES": ""}) as server:
        server.wait_until(lambda: server.get("/healthz").status_code == 200)
        assert server.get("/startupz").status_code == 503
        early = server.detect(photos["dog"])
        assert (early.status_code, early.json()["code"]) == (503, "backend_unavailable")
        assert "is loading" in early.json()["error"]
        server.wait_until_ready()
        assert server.get("/startupz").status_code == 200
        assert server.detect(photos["dog"]).status_code == 200
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert resident_kb < 100_000, "of the API process"


@pytest.mark.tensorflow
def test_doctor_says_the_same_as_the_server(server: Server) -> None:
    command = [sys.executable, "-m", "app", "doctor"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    trt = server.model()["backends"]["trt"]
    assert trt["reason"] in text
    assert "frozen       can be made here" in text
