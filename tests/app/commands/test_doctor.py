"""`python -m app doctor`: all that conversion needs here and what of it is missing, as text and as JSON."""

import json
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from fnmatch import fnmatch
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnxruntime
import pytest

from app.__main__ import main
from app.commands import doctor
from benchmarks.serving import clean_environ
from converter.machine.environment import Environment
from tests.support.converter.locking import without_locks
from tests.support.converter.readonly import obeying_permissions
from tests.support.places import FAKED, ROOT

NO_GPU = "none: TensorFlow sees no NVIDIA GPU"
H100 = {"device_name": "NVIDIA H100 80GB HBM3", "compute_capability": [9, 0]}
PLAIN = Environment(tensorflow="2.14.1", tensorflow_build="v2.14.0-10 cuda 11.8 cudnn 8", tensorrt_linked=(8, 4, 3))
WHOLE = replace(
    PLAIN,
    driver="550.54.15",
    tensorrt_loaded=(8, 5, 3),
    gpus=("NVIDIA H100 80GB HBM3", "NVIDIA L4"),
    gpu_memory_bytes=(80 << 30, 24 << 30),
    compute_capability="9.0",
)


def run(*options: str, environ: dict[str, str] | None = None, faked: bool = True, **says: Any) -> str:
    """What the command writes; with a fake TensorFlow, which says this, unless `faked` is False."""
    fake = {"PYTHONPATH": f"{FAKED}:{ROOT}", "FAKE_TENSORFLOW": json.dumps(says)} if faked else {}
    with (
        patch.dict(os.environ, clean_environ({**fake, **(environ or {})}), clear=True),
        redirect_stdout(TextIOWrapper(BytesIO(), "utf-8")) as written,  # strict, as a terminal is
        redirect_stderr(StringIO()) as errors,
    ):
        assert main(["doctor", *options]) == 0
    assert errors.getvalue() == ""
    written.seek(0)
    return written.read()


def examine(model: Path, found: Environment = PLAIN, **settings: Any) -> doctor.Diagnosis:
    wanted = {"cache": None, "calibration_images": None, "problems": (), **settings}
    return doctor.examine(model=model, ask=lambda: found, **wanted)


def line(text: str, label: str) -> str:
    """The words beside the first `label`."""
    return next(row[13:] for row in text.splitlines() if row[:13].rstrip() == label)


def of_target(text: str, target: str, label: str) -> str:
    """The words beside `label` below the target."""
    return line(text[text.index(f"\n{target} ") :], f"  {label}")


# The command


@pytest.mark.tensorflow
def test_json_has_the_facts_of_this_machine() -> None:
    facts = json.loads(run("--json", faked=False, environ={"LD_LIBRARY_PATH": "", "CUDA_VISIBLE_DEVICES": ""}))
    assert set(facts) == {"settings", "environment", "memory", "model", "calibration_images", "folder", "targets"}
    assert facts["environment"]["tensorflow_build"] == "v2.14.0-10-g99d80a9e254 cuda 11.8 cudnn 8"
    assert facts["environment"]["tensorrt_library"] == "libnvinfer.so.8"
    assert facts["targets"]["trt"]["code"] == "library_missing"
    assert facts["targets"]["frozen"]["available"]
    assert facts["model"]["name"] == "yolox_nano"
    assert facts["model"]["size_bytes"] > 1_000_000
    assert facts["folder"]["trt"]["folder"].endswith("/yolox_nano/1_trt")
    assert facts["memory"]["available_bytes"] > 0


def test_text_has_the_same_in_aligned_lines(saved_model: Path) -> None:
    text = run(environ={"DETECTOR_MODEL": str(saved_model)}, loaded=[8, 5, 3], gpus=[H100])
    found = ("system", "Python", "TensorFlow", "TensorRT", "ONNX Runtime", "driver", "GPU", "memory")
    told = (*found, "settings", "model", "calibration", "frozen", "trt", "onnx")
    assert tuple(row[:13].rstrip() for row in text.splitlines() if not row.startswith(" ")) == told
    assert line(text, "TensorFlow") == "2.14.1 (build v2.14.0-10-g99d80a9e254 cuda 11.8 cudnn 8)"
    assert line(text, "TensorRT") == "8.5.3 (TensorFlow is built for 8.4.3)"
    assert line(text, "trt") == line(text, "frozen") == line(text, "onnx") == "can be made here"
    assert line(text, "ONNX Runtime") == f"{onnxruntime.__version__}, which can use CPU"


def test_a_tensorflow_that_crashes_is_told() -> None:
    text = run(loaded=[8, 5, 3], ends_by="SIGSEGV")
    assert line(text, "trt") == "can't be made here: probe_crashed: the check of TensorFlow failed: it ended by SIGSEGV"
    assert line(text, "GPU") == "not known: the check of TensorFlow failed"


def test_a_wrong_setting_is_told_and_the_rest_is_looked_at(saved_model: Path) -> None:
    environ = {"DETECTOR_MAX_BATCH": "many", "DETECTOR_MODEL": str(saved_model), "DETECTOR_MODLE": "x"}
    text = run(environ=environ)
    problems = [row for row in text.splitlines() if row.startswith("settings ")]
    assert problems[0].startswith("settings     DETECTOR_MAX_BATCH: Input should be a valid integer")
    assert problems[1] == "settings     DETECTOR_MODLE is not a setting; did you mean DETECTOR_MODEL?"
    assert line(text, "model").startswith("street_signs, version 1: ")


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_a_path_that_no_terminal_can_show_is_told(options: tuple[str, ...]) -> None:
    assert r"\udcff" in run(*options, environ={"DETECTOR_MODEL": os.fsdecode(b"/models/\xff")})


def test_a_folder_that_can_not_be_written_is_told(saved_model: Path) -> None:
    saved_model.chmod(0o555)
    text = obeying_permissions(lambda: run(environ={"DETECTOR_MODEL": str(saved_model)}))
    place = saved_model / "1_frozen"
    assert (
        of_target(text, "frozen", "folder") == f"{place} can't be written: DETECTOR_CACHE must name a folder that can"
    )


def test_a_file_system_without_locks_is_told(saved_model: Path) -> None:
    found = without_locks(lambda: examine(saved_model))
    told = of_target(doctor.as_text(found), "frozen", "folder")
    assert f"but the file system of {saved_model} can't lock files: servers that share it may make the same" in told


# What it says


def test_text_names_every_gpu_with_its_memory(saved_model: Path) -> None:
    text = doctor.as_text(examine(saved_model, WHOLE))
    assert line(text, "driver") == "550.54.15"
    assert line(text, "GPU") == "NVIDIA H100 80GB HBM3, 80.0 GiB; NVIDIA L4, 24.0 GiB (compute capability 9.0)"


@pytest.mark.parametrize(
    ("found", "label", "words"),
    [
        pytest.param(PLAIN, "GPU", f"{NO_GPU}: there is no NVIDIA driver", id="no GPU"),
        pytest.param(PLAIN, "driver", "none: no NVIDIA driver was found", id="no driver"),
        pytest.param(
            Environment(tensorflow="2.14.1", driver="550.54.15"),
            "GPU",
            f"{NO_GPU}; there is a driver, so CUDA's libraries are missing or the GPU is hidden",
            id="a driver but no GPU",
        ),
        pytest.param(
            Environment(tensorflow="2.14.1", gpus=("unknown",)),
            "GPU",
            "unknown (compute capability not known)",
            id="a GPU without details",
        ),
        pytest.param(
            PLAIN,
            "TensorRT",
            "not loaded: no libnvinfer.so.8 along LD_LIBRARY_PATH (TensorFlow is built for 8.4.3)",
            id="no library",
        ),
        pytest.param(
            Environment(tensorflow="2.18.0", tensorflow_build="v2.18.0 cpu"),
            "TensorRT",
            "none: TensorFlow is built without TF-TRT",
            id="a TensorFlow without TF-TRT",
        ),
        pytest.param(
            Environment(crash="it ended by exit code 1", log=("Traceback", "No module named 'tensorflow'")),
            "TensorFlow",
            "not found: No module named 'tensorflow'",
            id="no TensorFlow",
        ),
        pytest.param(
            Environment(crash="it did not answer in 120 s"),
            "TensorRT",
            "not known: the check of TensorFlow failed",
            id="a TensorFlow that hangs",
        ),
    ],
)
def test_what_is_missing_is_a_sentence(found: Environment, label: str, words: str, saved_model: Path) -> None:
    assert line(doctor.as_text(examine(saved_model, found)), label) == words


def test_a_model_that_is_none_is_told_and_has_no_place_for_copies(tmp_path: Path) -> None:
    diagnosis = examine(tmp_path / "nothing")
    sentence = f"there is no model at {tmp_path / 'nothing'}: no such file or folder"
    assert line(doctor.as_text(diagnosis), "model") == sentence
    facts = doctor.as_json(diagnosis)
    assert (facts["model"]["problem"], facts["folder"]) == (sentence, {})
    assert facts["targets"]["frozen"]["available"]


def test_a_model_that_can_not_be_read_is_told(saved_model: Path) -> None:
    loop = saved_model / "2"
    loop.symlink_to(loop)
    problem = examine(loop / "saved_model.pb").model.problem
    assert problem
    assert "\n" not in problem


@pytest.mark.parametrize("target", ["trt", "frozen", "onnx"])
def test_a_copy_goes_beside_the_model_where_that_can_be_written(target: str, saved_model: Path) -> None:
    diagnosis = examine(saved_model)
    place, text = diagnosis.places[target], doctor.as_text(diagnosis)
    assert place.folder == str(saved_model / f"1_{target}")
    assert (place.writable, place.enough, place.exists) == (True, True, False)
    assert of_target(text, target, "folder").startswith(f"{place.folder} can be written, ")
    assert of_target(text, target, "copy") == "none has been made yet"


def test_with_less_room_than_two_copies_it_says_so(saved_model: Path) -> None:
    with (saved_model / "1" / "weights").open("wb") as file:
        file.truncate(shutil.disk_usage(saved_model).free)  # it has no blocks: only its size counts
    diagnosis = examine(saved_model)
    assert not diagnosis.places["frozen"].enough
    words = of_target(doctor.as_text(diagnosis), "frozen", "folder")
    assert words.endswith("are free, less than twice the model's size")


@pytest.mark.parametrize(("below", "writable"), [("not/made/yet", True), ("a file/copies", False)])
def test_a_cache_may_be_made_where_folders_can_be(
    below: str, writable: bool, saved_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("a file")
    saved_model.chmod(0o555)
    environ = {"DETECTOR_MODEL": str(saved_model), "DETECTOR_CACHE": str(tmp_path / below)}
    facts = json.loads(obeying_permissions(lambda: run("--json", environ=environ)))
    assert fnmatch(facts["folder"]["trt"]["folder"], str(tmp_path / below / "street_signs-????????" / "1_trt"))
    assert facts["folder"]["trt"]["writable"] is writable


def test_a_copy_that_is_there_is_looked_at(saved_model: Path) -> None:
    for target in ("trt", "frozen"):
        (saved_model / f"1_{target}").mkdir()
        (saved_model / f"1_{target}" / "saved_model.pb").write_bytes(b"a graph")
    text, no_engine = doctor.as_text(examine(saved_model)), "its graph has no TensorRT engine: TF-TRT converted nothing"
    assert of_target(text, "frozen", "copy") == "nothing is wrong with its files"
    assert of_target(text, "trt", "copy") == f"refused: no_engine: 1_trt: {no_engine}"


def test_pictures_for_calibration_are_counted(saved_model: Path, tmp_path: Path) -> None:
    def told(images: Path | None) -> str:
        return line(doctor.as_text(examine(saved_model, calibration_images=images)), "calibration")

    photos = ROOT / "converter" / "photos"
    assert told(photos) == f"{len(list(photos.glob('*.jpg')))} JPEG files in {photos}"
    assert told(None) == "none: an INT8 copy needs DETECTOR_CALIBRATION_IMAGES, a folder of JPEG files"
    assert told(tmp_path) == examine(saved_model, calibration_images=tmp_path).calibration.problem
