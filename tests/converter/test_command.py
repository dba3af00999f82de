"""`python -m converter`: a frozen copy from beginning to end, and how each failure ends."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.settings import bundled_model
from benchmarks.serving import clean_environ
from converter import targets
from converter.contract import Report
from converter.disk import checks, trees
from converter.model import sampling
from tests.support.converter.made import Made, OddModels, program
from tests.support.converter.reading import from_outputs
from tests.support.converter.running import sentence
from tests.support.places import ROOT

MODEL = bundled_model() / "1"
PHOTOS = ROOT / "converter" / "photos"
BARE = {"LD_LIBRARY_PATH": "", "CUDA_VISIBLE_DEVICES": ""}  # the tests see no TensorRT and no GPU on any machine
STEPS = ["check", "native", "load", "convert", "save", "verify", "publish"]


def convert(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "converter", *map(str, arguments)]
    return subprocess.run(
        command, env=clean_environ(BARE), capture_output=True, text=True, timeout=60, check=False, **options
    )


# It works


@pytest.mark.tensorflow
def test_the_report_is_on_standard_output_and_in_the_copy(frozen_copy: Made) -> None:
    assert frozen_copy.done.returncode == 0, frozen_copy.done.stderr
    report = Report.read(frozen_copy.folder)
    assert report is not None
    assert json.loads(frozen_copy.done.stdout) == json.loads(report.to_json())
    assert (report.target, report.batch_sizes) == ("frozen", (1, 2))
    assert report.identity.source_sha256 == trees.source_sha256(MODEL)
    assert (report.identity.tensorrt, report.identity.gpu) == (None, None)
    assert report.identity.options == {}
    assert report.facts["operations"] > 500
    assert (report.facts["signatures_lost"], report.facts["operations_left"]) == ([], [])


@pytest.mark.tensorflow
def test_every_step_is_a_json_line_on_standard_error_when_it_begins_and_when_it_ends(frozen_copy: Made) -> None:
    events = [json.loads(line) for line in frozen_copy.done.stderr.splitlines() if line.startswith("{")]
    assert [event["step"] for event in events if event["state"] == "started"] == STEPS
    assert [event["step"] for event in events if event["state"] == "done"] == STEPS
    assert [event["number"] for event in events if event["state"] == "done"] == [1, 2, 3, 4, 5, 6, 7]
    assert all(event["of"] == 7 for event in events)
    assert all(event["seconds"] >= 0 for event in events if event["state"] == "done")


@pytest.mark.tensorflow
def test_the_copy_and_its_source_have_run_at_each_batch_size(frozen_copy: Made) -> None:
    report = json.loads(frozen_copy.done.stdout)
    assert report["probe"] == {"passed": True, "native_segments": "forbidden"}
    assert set(report["latency"]) == {"native", "frozen"}
    for sizes in report["latency"].values():
        assert set(sizes) == {"1", "2"}
        assert all(size["mean_s"] > 0 and size["first_s"] > 0 for size in sizes.values())


@pytest.mark.tensorflow
def test_the_copy_agrees_with_its_source_on_the_photos_and_their_variations(frozen_copy: Made) -> None:
    agreement = json.loads(frozen_copy.done.stdout)["agreement"]
    assert set(agreement) == {"1", "2"}
    for found in agreement.values():
        assert (found["verdict"], found["missing"], found["extra"]) == ("agrees", 0, 0)
        assert found["pictures"] == 4 * len(sampling.packaged())


@pytest.mark.tensorflow
def test_the_copy_is_complete_and_has_the_labels_of_its_source(frozen_copy: Made) -> None:
    report = Report.read(frozen_copy.folder)
    assert report is not None
    assert checks.check(frozen_copy.folder, targets.KINDS["frozen"], report.identity) == report
    files = {str(path.relative_to(frozen_copy.folder)) for path in frozen_copy.folder.rglob("*") if path.is_file()}
    assert files == set(report.files) | {"report.json"}
    labels = Path("assets.extra") / "labels.txt"
    assert (frozen_copy.folder / labels).read_bytes() == (MODEL / labels).read_bytes()
    beside = {entry.name for entry in frozen_copy.folder.parent.iterdir()} - {".hashes.json"}
    assert beside == {"1", "1_frozen", ".1_frozen.lock"}


@pytest.fixture(scope="module")
def both(frozen_copy: Made, tmp_path_factory: pytest.TempPathFactory, photos: dict[str, bytes]) -> list[Any]:
    """What the original and its frozen copy give for all photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name, photo in photos.items():
        (folder / f"{name}.jpg").write_bytes(photo)
    said = json.loads(program("outputs.py", folder, MODEL, frozen_copy.folder))
    return [said[str(MODEL)], said[str(frozen_copy.folder)]]


@pytest.mark.tensorflow
def test_the_copy_has_the_names_of_the_signature(both: list[Any]) -> None:
    native, frozen = both
    assert native["input"] == frozen["input"] == ["image_bytes", "(None,)"]
    assert set(native["outputs"]) == set(frozen["outputs"])
    assert {"detection_boxes", "detection_scores", "detection_classes", "num_detections"} <= set(frozen["outputs"])


@pytest.mark.tensorflow
def test_the_copy_finds_what_the_original_finds(both: list[Any], photos: dict[str, bytes]) -> None:
    sizes = [(1, 1)] * len(photos)  # boxes stay fractions
    native, frozen = (
        from_outputs({name: np.array(values, np.float32) for name, values in said["outputs"].items()}, sizes)
        for said in both
    )
    for ours, theirs in zip(native, frozen, strict=True):
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-4)
        np.testing.assert_allclose(theirs.boxes, ours.boxes, atol=1e-4)
        assert theirs.classes.tolist() == ours.classes.tolist()
    assert sum(map(len, native)) > 20


# It says why not


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch-sizes", "0,8"], "convert: batch sizes must be whole numbers from 1 up, at least one of them"),
        (["--batch-sizes", "eight"], "'eight' is not a list of whole numbers like 1,8"),
        (["--precision", "int8"], "convert: INT8 is calibrated on real pictures: name a folder of them"),
        (["--precision", "int8", "--images", "converter"], "convert: converter has no JPEG file (*.jpg, *.jpeg)"),
        (["--images", "nowhere"], "convert: the pictures in nowhere can't be read: No such file or directory"),
        (["--workspace-mib", "0"], "convert: the minimum segment size, the workspace and the cached engines must be 1"),
        (["--portable"], "convert: without saved engines there is nothing to run unless engines may be built at run "),
        (["--output", str(MODEL)], "it must lie outside its source and not around it"),
        (["--output", str(MODEL.parent)], "it must lie outside its source and not around it"),
        (["--output", str(MODEL / "copy")], "it must lie outside its source and not around it"),
        (["--output", "/"], "it must lie outside its source and not around it"),
    ],
)
def test_bad_options_end_with_2_and_a_sentence(arguments: list[str], said: str) -> None:
    done = convert(MODEL, "--target", "frozen", *arguments)
    assert done.returncode == 2
    assert said in sentence(done)


@pytest.mark.parametrize("name", ["diary.txt", "models/1/saved_model.pb"])
def test_a_copy_does_not_take_the_place_of_anything_else(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "home" / name
    precious.parent.mkdir(parents=True)
    precious.write_text("dear")
    done = convert(MODEL, "--target", "frozen", "--output", tmp_path / "home")
    assert done.returncode == 2
    assert sentence(done) == "convert: home exists and is not a copy of a model: it is left as it is"
    assert precious.read_text() == "dear"


@pytest.mark.parametrize("model", ["no/such/folder", "converter", "README.md"])
def test_what_is_no_savedmodel_ends_with_3_and_a_sentence(model: str) -> None:
    done = convert(model, "--target", "frozen")
    assert done.returncode == 3
    assert sentence(done) == f"convert: {Path(model).name} is not a SavedModel: it has no saved_model.pb"


def test_of_a_folder_of_versions_the_newest_is_named() -> None:
    done = convert(MODEL.parent, "--target", "frozen")
    assert done.returncode == 3
    assert sentence(done) == (
        "convert: yolox_nano is not a SavedModel: it has no saved_model.pb; name one of its versions, such as "
        "yolox_nano/1"
    )


@pytest.mark.tensorflow
def test_a_target_that_this_machine_can_not_make_ends_with_4_and_a_sentence(tmp_path: Path) -> None:
    done = convert(MODEL, "--target", "trt", "--output", tmp_path / "copy")
    assert done.returncode == 4
    assert sentence(done).startswith(
        "convert: TensorRT's library libnvinfer.so.8 was not found: TensorFlow 2.14.1 looks"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tensorflow
def test_a_batch_size_that_the_model_does_not_run_at_is_left_out_and_told(
    odd_models: OddModels, tmp_path: Path
) -> None:
    model = odd_models.root / "detector_of_one_picture_after_all"
    done = convert(model, "--target", "frozen", "--output", tmp_path / "copy", "--batch-sizes", "1,8")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["batch_sizes"] == [1]
    assert set(report["facts"]["batch_sizes_left_out"]) == {"8"}
    assert "Input to reshape is a tensor with 8 " in report["facts"]["batch_sizes_left_out"]["8"]
