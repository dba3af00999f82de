"""What is left on disk when a process ends while it puts a copy in its place, and how it is put right."""

import subprocess
import sys
from pathlib import Path

import pytest

from converter.disk import publish
from tests.support.converter.locking import alone
from tests.support.converter.running import names


def copy(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    return folder


def content(folder: Path) -> str:
    return (folder / "saved_model.pb").read_text()


# Stopped at each change of the folder. The old copy is renamed, then the new one, then the old one is removed.

POINTS = [("os.rename", 1, "old"), ("os.rename", 2, "old"), ("shutil.rmtree", 1, "new")]


def replace(folder: Path, event: str, number: int, how: str) -> int:
    command = [sys.executable, "-m", "tests.support.converter.replacing", str(folder), event, str(number), how]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode


@pytest.mark.parametrize(("event", "number", "stays"), POINTS)
def test_killed_at_any_point_a_whole_copy_is_there_once_it_is_recovered(
    tmp_path: Path, event: str, number: int, stays: str
) -> None:
    folder = copy(tmp_path / "1_trt", "old")
    assert replace(folder, event, number, "SIGKILL") == -9
    assert names(tmp_path) != ["1_trt"], "it was killed too late"
    publish.recover(folder)
    assert (names(tmp_path), content(folder)) == (["1_trt"], stays)


@pytest.mark.parametrize(("event", "number", "stays"), POINTS[:2])
def test_interrupted_before_both_are_renamed_the_old_copy_is_there_at_once(
    tmp_path: Path, event: str, number: int, stays: str
) -> None:
    folder = copy(tmp_path / "1_trt", "old")
    assert replace(folder, event, number, "SIGINT") != 0
    assert (names(tmp_path), content(folder)) == (["1_trt"], stays)


# What may lie there


def test_a_copy_that_was_set_aside_is_put_back(tmp_path: Path) -> None:
    copy(tmp_path / "1_trt.stale-abc" / "1_trt", "old")
    publish.recover(tmp_path / "1_trt")
    assert (names(tmp_path), content(tmp_path / "1_trt")) == (["1_trt"], "old")


def test_it_is_put_back_before_a_new_one_is_made_and_that_one_fails(tmp_path: Path) -> None:
    copy(tmp_path / "1_trt.stale-abc" / "1_trt", "old")
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "1_trt"), publish.written_beside(tmp_path / "1_trt"):
        _ = 1 / 0
    assert (names(tmp_path), content(tmp_path / "1_trt")) == (["1_trt"], "old")


def test_what_was_set_aside_for_one_that_is_there_is_removed(tmp_path: Path) -> None:
    copy(tmp_path / "1_trt", "new")
    copy(tmp_path / "1_trt.stale-abc" / "1_trt", "old")
    copy(tmp_path / "1_trt.partial-abc", "half")
    publish.recover(tmp_path / "1_trt")
    assert (names(tmp_path), content(tmp_path / "1_trt")) == (["1_trt"], "new")


def test_what_another_process_writes_now_is_left_alone(tmp_path: Path) -> None:
    with alone(tmp_path / "1_trt"), publish.written_beside(tmp_path / "1_trt") as partial:
        publish.recover(tmp_path / "1_trt")
        assert partial.is_dir()
    assert names(tmp_path) == ["1_trt"]


@pytest.mark.parametrize("parent", ["", "no such folder"])
def test_where_nothing_is_there_is_nothing_to_do(tmp_path: Path, parent: str) -> None:
    publish.recover(tmp_path / parent / "1_trt")
    assert names(tmp_path) == []
