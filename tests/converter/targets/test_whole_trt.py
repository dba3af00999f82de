"""A TF-TRT conversion from beginning to end on a machine with a GPU, whose TensorFlow is the fake one."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from converter import targets
from converter.contract import Report
from converter.disk import checks, trees
from converter.progress import DONE, RUNNING, STARTED, Event, parse
from tests.support.converter.running import Done, command, convert, fake_model, machine, picture

STEPS = ["check", "native", "load", "convert", "build", "save", "verify", "yardstick", "publish"]


def copy_of(model: Path) -> Path:
    return model.parent / "copies" / "1_trt"


def asked(model: Path) -> Any:
    """What TF-TRT was asked for."""
    return json.loads((copy_of(model) / "assets" / "asked.json").read_text())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with five pictures beside it."""
    model = fake_model(tmp_path_factory.mktemp("whole"))
    for number in range(4):
        (model.parent / "pictures" / f"{number}.jpg").write_bytes(picture(40 + number, 30))
    return model


@pytest.fixture(scope="module")
def done(model: Path) -> Done:
    done = convert(model, "--batch-sizes", "2,8", "--precision", "int8", "--denylist", "Sigmoid,Exp")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def report(done: Done) -> Report:
    return Report.from_json(done.stdout)


@pytest.fixture(scope="module")
def events(done: Done) -> list[Event]:
    return [event for line in done.stderr.splitlines() if (event := parse(line))]


# Progress


def test_every_step_begins_and_ends_in_the_order_of_the_plan(events: list[Event]) -> None:
    for state in (STARTED, DONE):
        assert [event.step for event in events if event.state == state] == STEPS
    assert all((event.number, event.of) == (STEPS.index(event.step) + 1, len(STEPS)) for event in events)


def test_building_has_a_part_for_each_batch_size_and_one_for_the_engines(events: list[Event]) -> None:
    parts = [(event.step, event.part, event.parts) for event in events if event.state == RUNNING]
    assert parts == [("build", 0, 3), ("build", 1, 3), ("build", 2, 3)]


def test_what_tensorflow_writes_is_passed_on(done: Done) -> None:
    assert "TensorRT unsupported/non-converted OP Report:" in done.stderr.splitlines()


# The report


def test_the_report_is_in_the_copy_too(model: Path, report: Report) -> None:
    assert Report.read(copy_of(model)) == report


def test_the_copy_may_be_loaded_here_and_now(model: Path, report: Report) -> None:
    assert checks.check(copy_of(model), targets.KINDS["trt"], report.identity) == report
    assert (copy_of(model) / "assets.extra" / "labels.txt").read_text() == "1 person\n"


def test_it_belongs_to_this_model_these_options_and_this_machine(model: Path, report: Report) -> None:
    identity = report.identity
    assert identity.source_sha256 == trees.source_sha256(model)
    assert (identity.tensorflow, identity.tensorrt) == ("2.14.1", "8.5.3")
    assert (identity.gpu, identity.compute_capability) == ("NVIDIA H100 80GB HBM3", "9.0")
    assert identity.options["calibrated_on"] == str(model.parent / "pictures")
    assert (identity.options["precision"], identity.options["denylist"]) == ("INT8", "Exp,Sigmoid")


def test_its_facts_are_tftrts(report: Report) -> None:
    facts = report.facts
    assert (facts["engines"], facts["operations"], facts["operations_converted"]) == (1, 883, 744)
    assert facts["engine_details"] == [
        {
            "name": "TRTEngineOp_000_000",
            "operations": 744,
            "inputs": ["float32 [-1, 416, 416, 3]"],
            "precision": "INT8",
            "profile_strategy": "Optimal",
            "built_for": [],
        }
    ]
    assert facts["converted_by_type"] == {"Conv2D": 83}
    assert {"operation": "DecodeJpeg", "count": 1, "reasons": {"Op type DecodeJpeg is not supported.": 1}} in facts[
        "operations_left"
    ]
    assert (facts["signatures_lost"], facts["pictures"]) == (["classify"], 5)


def test_native_frozen_and_the_copy_were_measured_at_each_batch_size(report: Report) -> None:
    assert set(report.latency) == {"native", "trt", "frozen"}
    for sizes in report.latency.values():
        assert set(sizes) == {"2", "8"}
        for figures in sizes.values():
            assert {"first_s", "mean_s", "p50_s", "p95_s", "p99_s", "runs"} <= set(figures)


def test_the_copy_was_compared_with_native_on_each_picture(report: Report) -> None:
    assert set(report.agreement) == {"2", "8"}
    for found in report.agreement.values():
        assert (found["pictures"], found["matched"], found["missing"], found["extra"]) == (5, 5, 0, 0)


def test_the_seconds_of_each_step_and_both_sizes_are_told(model: Path, report: Report) -> None:
    assert list(report.seconds) == STEPS[:-1]
    assert report.source_bytes == trees.size_bytes(model)
    assert report.size_bytes == trees.size_bytes(copy_of(model)) - (copy_of(model) / "report.json").stat().st_size


# What TF-TRT was asked for


def test_engines_for_each_batch_size_calibrated_on_each_picture_without_the_denied_operations(
    model: Path, done: Done
) -> None:
    assert asked(model)["built_for"] == [2, 8]
    assert asked(model)["calibrated_on"] == [2, 2, 2], "batches of one size"
    assert asked(model)["denylist"] == "Exp,Sigmoid"


def test_each_parameter_reaches_tftrt(model: Path, done: Done) -> None:
    assert asked(model)["parameters"] == {
        "input_saved_model_dir": str(model),
        "input_saved_model_signature_key": "serving_default",
        "precision_mode": "INT8",
        "minimum_segment_size": 20,
        "max_workspace_size_bytes": 4 << 30,
        "maximum_cached_engines": 2,
        "use_calibration": True,
        "use_dynamic_shape": True,
        "dynamic_shape_profile_strategy": "Optimal",
    }
    assert asked(model)["may_build"] is False


def test_a_portable_copy_has_no_engine_and_is_never_loaded(tmp_path: Path) -> None:
    model = fake_model(tmp_path)
    done = convert(model, "--portable", "--build-at-run-time", "--static-shape")
    assert done.returncode == 0, done.stderr
    assert asked(model)["may_build"] is True
    assert asked(model)["parameters"]["dynamic_shape_profile_strategy"] is None
    report = Report.from_json(done.stdout)
    assert checks.usable_report(copy_of(model), targets.KINDS["trt"], report.identity) is None
    assert list((copy_of(model) / "assets").iterdir()) == [copy_of(model) / "assets" / "asked.json"]


def test_a_frozen_copy_tells_what_it_lost_and_is_its_own_yardstick(tmp_path: Path) -> None:
    done = convert(fake_model(tmp_path), "--target", "frozen", gpus=[])
    assert done.returncode == 0, done.stderr
    report = Report.from_json(done.stdout)
    assert report.facts["signatures_lost"] == ["classify"]
    assert set(report.latency) == {"native", "frozen"}


# On a terminal


def test_on_a_terminal_it_shows_a_bar_and_at_last_the_sentence(tmp_path: Path) -> None:
    screen, program = pty.openpty()
    asked = command(fake_model(tmp_path))
    done = subprocess.run(asked, env=machine(gpus=[]), stderr=program, stdout=subprocess.PIPE, check=False)
    os.close(program)
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert (done.returncode, done.stdout) == (4, b"")
    assert "looking at this machine" in shown
    assert "{" not in shown
    assert shown.endswith("\rconvert: TensorFlow sees no NVIDIA GPU: there is no NVIDIA driver\r\n")
