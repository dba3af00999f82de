"""A conversion that is ended at any of its steps leaves no process and nothing half-written; the old copy stays."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import clean_environ
from converter.contract import Report
from converter.disk import publish
from tests.converter.disk.conftest import assert_only_the_old_copy_is_there
from tests.support.converter.made import OddModels
from tests.support.converter.running import (
    Process,
    all_gone,
    convert,
    converting,
    names,
    running,
    sentence,
    wait_for,
    worker,
)

# Where the fake TensorFlow hangs, so that a conversion is in a step until it is ended.
POINTS = {
    "check": "environment devices",
    "native": "run original",
    "load": "making load",
    "convert": "convert",
    "build": "build",
    "save": "making save",
    "verify": "run TRTEngineOp_000_000",
    "yardstick": "run frozen",
}


def assert_cancelled(process: Process) -> None:
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (stdout, stderr.splitlines()[-1]) == ("", "convert: cancelled, no copy was made")
    assert "Traceback" not in stderr


def assert_the_next_one_succeeds(model: Path) -> None:
    done = convert(model)
    assert done.returncode == 0, done.stderr
    assert Report.read(model.parent / "copies" / "1_trt") == Report.from_json(done.stdout)
    assert names(model.parent / "copies") == ["1_trt"]


# It is told to stop


@pytest.mark.parametrize("step", ["check", "native", "build", "save", "yardstick"])
def test_told_to_stop_it_says_so_and_leaves_nothing(model: Path, step: str) -> None:
    with converting(model, hangs=True, at=POINTS[step]) as process:
        wait_for(process, step)
        with all_gone(process):
            process.send_signal(signal.SIGTERM if step != "build" else signal.SIGINT)
            assert_cancelled(process)
    assert_only_the_old_copy_is_there(model)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_at_the_last_moment_the_old_copy_stays_too(model: Path, sig: signal.Signals) -> None:
    with converting(model, held_before="1_trt") as process:
        wait_for(process, "publish")
        process.send_signal(sig)
        assert process.wait(timeout=60) in (130, -signal.SIGKILL)
        publish.recover(model.parent / "copies" / "1_trt")
    assert_only_the_old_copy_is_there(model)


def test_told_to_stop_while_it_waits_for_another_it_leaves_that_one_alone(model: Path) -> None:
    with converting(model, hangs=True, at="build") as first, converting_after(first, model) as second:
        wait_for(second, "wait")
        second.terminate()
        assert_cancelled(second)
        assert first.poll() is None


@contextmanager
def converting_after(first: Process, model: Path) -> Iterator[Process]:
    wait_for(first, "build")
    with converting(model) as second:
        yield second


# It is killed


@pytest.mark.parametrize("step", POINTS)
def test_killed_it_leaves_no_process_and_what_it_left_is_swept_away(model: Path, step: str) -> None:
    with converting(model, hangs=True, at=POINTS[step]) as process:
        wait_for(process, step)
        with all_gone(process):
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
    publish.recover(model.parent / "copies" / "1_trt")
    assert_only_the_old_copy_is_there(model)


def test_killed_it_does_not_stand_in_the_way_of_the_next_one(model: Path) -> None:
    with converting(model, hangs=True, at="making save") as process:
        wait_for(process, "save")
        process.kill()
    assert_the_next_one_succeeds(model)


def test_it_ends_when_the_server_that_started_it_is_gone(model: Path) -> None:
    with converting(model, "--ends-with-stdin", hangs=True, at="build") as process:
        wait_for(process, "build")
        assert process.stdin is not None
        with all_gone(process):
            process.stdin.close()
            assert process.wait(timeout=60) == 1
    publish.recover(model.parent / "copies" / "1_trt")
    assert_only_the_old_copy_is_there(model)


# Its child ends


@pytest.mark.parametrize(
    ("at", "code", "said"),
    [
        ("environment devices", 4, "the check of TensorFlow failed: it ended by SIGSEGV"),
        ("run original", 3, "the model itself ended its process by SIGSEGV"),
        ("making devices", 5, "the converter crashed while starting (SIGSEGV)"),
        ("making load", 5, "the converter crashed while loading the model (SIGSEGV)"),
        ("convert", 5, "the converter crashed while converting the graph (SIGSEGV)"),
        ("build", 5, "the converter crashed while building engines (SIGSEGV)"),
        ("making save", 5, "the converter crashed while saving (SIGSEGV)"),
        ("run TRTEngineOp_000_000", 6, "the copy ended its process by SIGSEGV"),
    ],
)
def test_a_child_that_crashed_is_told_with_what_it_did(model: Path, at: str, code: int, said: str) -> None:
    done = convert(model, ends_by="SIGSEGV", at=at)
    assert (sentence(done), done.returncode) == (f"convert: {said}", code)
    assert_only_the_old_copy_is_there(model)


def test_a_child_that_is_killed_from_outside_is_told_too(model: Path) -> None:
    with converting(model, hangs=True, at="build") as process:
        wait_for(process, "build")
        os.kill(worker(process), signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 5
    assert stderr.splitlines()[-1] == "convert: the converter crashed while building engines (SIGKILL)"
    assert_only_the_old_copy_is_there(model)


# With the real TensorFlow, whose threads are at work


@pytest.mark.tensorflow
def test_the_real_one_ends_with_its_parent(odd_models: OddModels, tmp_path: Path) -> None:
    command: list[Any] = [sys.executable, "-m", "converter", odd_models.root / "detector", "--target", "frozen"]
    with running(
        [*map(str, command), "--boxes", "yxyx_norm", "--output", str(tmp_path / "1_frozen")], clean_environ({})
    ) as process:
        wait_for(process, "verify")
        with all_gone(process):
            process.kill()
            assert process.wait(timeout=60) == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert left.startswith("1_frozen.partial-")
    publish.recover(tmp_path / "1_frozen")
    assert names(tmp_path) == []
