"""Locks between processes, and file systems that have none."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.disk import locks, publish
from converter.disk.locks import Took
from tests.support.converter.locking import alone, locked_by_another, without_locks
from tests.support.converter.running import names


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[int], int]:
    return lambda flags: os.open(tmp_path / "lock", flags | os.O_CREAT)


def test_a_lock_outlives_other_handles_of_its_file(opened: Callable[[int], int]) -> None:
    """As older locks of POSIX do not."""
    first, second, third = opened(os.O_RDWR), opened(os.O_RDWR), opened(os.O_RDONLY)
    assert locks.take(first) is Took.HELD
    assert (locks.take(second), locks.take(third, shared=True)) == (Took.BUSY, Took.BUSY)
    os.close(second)
    assert locks.take(third, shared=True) is Took.BUSY
    os.close(first)
    assert locks.take(third, shared=True) is Took.HELD
    os.close(third)


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path, opened: Callable[[int], int]) -> None:
    with locked_by_another(tmp_path / "lock"):
        handle = opened(os.O_RDWR)
        assert locks.take(handle) is Took.BUSY
    assert locks.take(handle) is Took.HELD
    os.close(handle)


@pytest.mark.parametrize("below", ["", "not made yet/nor this"])
def test_a_folder_where_files_can_be_locked_has_no_problem(below: str, tmp_path: Path) -> None:
    assert locks.problem(tmp_path / below) is None
    assert names(tmp_path) == []


@pytest.mark.parametrize("below", ["", "not made yet/nor this"])
def test_one_where_they_can_not_is_told(below: str, tmp_path: Path) -> None:
    told = without_locks(lambda: locks.problem(tmp_path / below))
    assert told == (
        f"the file system of {tmp_path / below} can't lock files: servers that share it may make the same copy at once"
    )


def test_there_a_copy_is_made_all_the_same_and_what_others_may_be_at_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "1_trt.partial-abc").mkdir()

    def made() -> None:
        with alone(tmp_path / "1_trt") as waited, publish.written_beside(tmp_path / "1_trt") as partial:
            assert not waited
            (partial / "saved_model.pb").write_bytes(b"new")
        publish.recover(tmp_path / "1_trt")

    for _ in range(2):
        without_locks(made)
    assert names(tmp_path) == ["1_trt", "1_trt.partial-abc"]
    assert (tmp_path / "1_trt" / "saved_model.pb").read_bytes() == b"new"
