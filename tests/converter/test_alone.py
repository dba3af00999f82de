"""Two that make the same copy at one time: one makes it, the other waits and takes what the first has made."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from converter.contract import ConversionFailed, Report
from converter.disk import publish
from tests.support.converter.running import (
    Process,
    all_gone,
    convert,
    converting,
    fake_model,
    held,
    let_go,
    names,
    sentence,
    wait_for,
)


@contextmanager
def nothing() -> Iterator[None]:
    yield


@contextmanager
def place(folder: Path, *, seconds: float = 60) -> Iterator[bool]:
    with publish.exclusive(folder, until=time.monotonic() + seconds, waiting=nothing) as waited:
        yield waited


# The lock


def test_one_alone_does_not_wait(tmp_path: Path) -> None:
    for _ in range(2):
        with place(tmp_path / "copies" / "1_trt") as waited:
            assert not waited
    assert names(tmp_path / "copies") == []


def test_the_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    begun, done = threading.Event(), threading.Event()

    @contextmanager
    def waiting() -> Iterator[None]:
        begun.set()
        yield

    def second() -> tuple[bool, bool]:
        with publish.exclusive(tmp_path / "1_trt", until=time.monotonic() + 60, waiting=waiting) as waited:
            return waited, done.is_set()

    with ThreadPoolExecutor(1) as pool:
        with place(tmp_path / "1_trt"):
            future = pool.submit(second)
            assert begun.wait(timeout=60)
            done.set()
        assert future.result(timeout=60) == (True, True)


def test_other_places_are_free(tmp_path: Path) -> None:
    with place(tmp_path / "1_trt"), place(tmp_path / "1_frozen") as waited:
        assert not waited


def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    with (
        place(tmp_path / "1_trt"),
        pytest.raises(ConversionFailed, match=r"^another process is still making 1_trt$"),
        place(tmp_path / "1_trt", seconds=0.1),
    ):
        pass


def test_a_place_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"a file")
    with (
        pytest.raises(ConversionFailed, match=r"^the copy can't be written to models: File exists$"),
        place(tmp_path / "models" / "1_trt"),
    ):
        pass


# Two commands


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return fake_model(tmp_path)


@contextmanager
def two(model: Path, *options: str, **says: str) -> Iterator[tuple[Process, Process]]:
    """A command that saves, and another, with these options, that waits for it."""
    with converting(model, **says) as first:
        wait_for(first, "save")
        with converting(model, *options, **says) as second:
            wait_for(second, "wait")
            yield first, second


def report(process: Process) -> Report:
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return Report.from_json(stdout)


def test_of_two_commands_one_makes_the_copy_and_both_report_it(model: Path, tmp_path: Path) -> None:
    says = held(tmp_path / "pipe", "making save")
    with two(model, **says) as (first, second):
        let_go(says)
        reports = report(first), report(second)
    assert reports[0] == reports[1] == Report.read(model.parent / "copies" / "1_trt")
    assert "wait" not in reports[0].seconds
    assert names(model.parent / "copies") == ["1_trt"]


def test_the_second_makes_its_own_if_it_wants_another_one(model: Path, tmp_path: Path) -> None:
    says = held(tmp_path / "pipe", "making save")
    with two(model, "--precision", "fp16", **says) as (first, second):
        let_go(says)
        assert report(first).options.precision == "FP32"
        let_go(says)
        last = report(second)
    assert last.options.precision == "FP16"
    assert Report.read(model.parent / "copies" / "1_trt") == last
    assert names(model.parent / "copies") == ["1_trt"]


def test_the_second_makes_it_if_the_first_is_killed(model: Path, tmp_path: Path) -> None:
    says = held(tmp_path / "pipe", "making save")
    with two(model, **says) as (first, second):
        with all_gone(first):
            first.kill()
        let_go(says)
        last = report(second)
    assert Report.read(model.parent / "copies" / "1_trt") == last
    assert names(model.parent / "copies") == ["1_trt"]


def test_the_second_gives_up_when_its_time_is_over(model: Path, tmp_path: Path) -> None:
    with converting(model, **held(tmp_path / "pipe", "making save")) as first:
        wait_for(first, "save")
        done = convert(model, "--time-limit-seconds", "3")
        assert done.returncode == 5
        assert sentence(done) == "convert: another process is still making 1_trt"
        assert [json.loads(line)["step"] for line in done.stderr.splitlines()[:-1]] == ["check", "check", "wait"]
