"""Others may write to the folder of the copies: what they put there is neither followed nor waited for."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from app.copies.jobs import Job, JobFiles
from converter.contract import ConversionFailed, Options
from converter.disk import opening, publish

Plant = Callable[[Path, Path], None]
PLANTS: dict[str, Plant] = {
    "a link": lambda path, canary: path.symlink_to(canary),
    "a link to nothing": lambda path, canary: path.symlink_to(canary.with_name("new")),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a folder": lambda path, _: path.mkdir(),
}


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "canary"
    path.parent.mkdir()
    path.write_text("alive")
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir()
    return path


def unharmed(canary: Path) -> bool:
    return canary.read_text() == "alive" and [path.name for path in canary.parent.iterdir()] == ["canary"]


@pytest.mark.parametrize("plant", PLANTS)
def test_in_the_place_of_the_lock(plant: str, cache: Path, canary: Path) -> None:
    PLANTS[plant](cache / ".1_trt.lock", canary)
    with (
        pytest.raises(ConversionFailed, match=r"the copy can't be written to .*"),
        publish.exclusive(cache / "1_trt", until=time.monotonic(), waiting=nullcontext),
    ):
        pytest.fail("it was locked")
    assert unharmed(canary)


@pytest.mark.parametrize("plant", PLANTS)
def test_in_the_place_of_what_a_conversion_leaves(plant: str, cache: Path, canary: Path) -> None:
    PLANTS[plant](cache / "1_trt.stale-abc", canary)
    with publish.written_beside(cache / "1_trt") as partial:
        (partial / "saved_model.pb").write_text("new")
    assert (cache / "1_trt" / "saved_model.pb").read_text() == "new"
    assert unharmed(canary)


@pytest.mark.parametrize("plant", ["a link", "a link to nothing"])
def test_in_the_place_of_the_copy(plant: str, cache: Path, canary: Path) -> None:
    PLANTS[plant](cache / "1_trt", canary.parent if plant == "a link" else canary)
    with publish.written_beside(cache / "1_trt") as partial:
        (partial / "saved_model.pb").write_text("new")
    assert not (cache / "1_trt").is_symlink()
    assert unharmed(canary)


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", ["{}.json", "{}.part", "{}.lock", ""])
def test_in_the_place_of_jobs(plant: str, name: str, cache: Path, canary: Path) -> None:
    job = Job(Options(target="trt"))
    (cache / "1_jobs").mkdir() if name else None
    PLANTS[plant](cache / "1_jobs" / name.format(job.id) if name else cache / "1_jobs", canary)
    files = JobFiles(cache / "1_jobs")
    files.read()
    files.write(job)
    JobFiles(cache / "1_jobs").read()
    job.end("succeeded")
    files.write(job)
    assert unharmed(canary)


def test_a_job_that_is_too_large_is_passed_over(cache: Path) -> None:
    with (cache / "abc.json").open("wb") as file:
        file.truncate(1 << 40)
    assert JobFiles(cache).read() == []


@pytest.mark.parametrize(
    ("mode", "owner", "said"),
    [
        (0o755, 0, None),
        (0o777, 0, "any user"),
        (0o1777, 0, "any user"),
        (0o755, 4321, "another user"),
        (0o775, 0, None),
    ],
)
def test_a_folder_that_others_can_change_is_told(mode: int, owner: int, said: str | None, cache: Path) -> None:
    cache.chmod(mode)
    if owner and os.geteuid() == 0:
        os.chown(cache, owner, owner)
    sentence = opening.open_to_others(cache)
    assert sentence is None if said is None or (owner and os.geteuid()) else said in str(sentence)
