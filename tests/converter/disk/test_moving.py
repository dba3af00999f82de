"""Copies in a cache in which models of the same name met are moved to the place of their own model."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from converter.contract import Report
from converter.disk import checks, moving
from converter.disk.moving import Adopted
from tests.support.converter.locking import locked_by_another
from tests.support.converter.readonly import obeying_permissions
from tests.support.converter.reports import IDENTITY, REPORT
from tests.support.converter.running import names

OURS, THEIRS = "ab" * 32, "cd" * 32


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    put(tmp_path / "cache" / "1_trt")
    return tmp_path / "cache"


def put(folder: Path, source: str = OURS) -> Path:
    """A copy that was made from this source."""
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_bytes(source.encode())
    checks.add_report(folder, replace(REPORT, identity=replace(IDENTITY, source_sha256=source)))
    return folder


def is_whole(folder: Path, source: str = OURS) -> bool:
    report = Report.read(folder)
    assert report is not None
    return (folder / "variables" / "data").read_text() == report.identity.source_sha256 == source


def adopt(cache: Path, name: str = "a") -> Adopted:
    return moving.adopt(cache / "1_trt", cache / name / "1_trt", OURS)


def test_a_copy_of_this_model_is_moved_once(cache: Path) -> None:
    new = cache / "a" / "1_trt"
    assert adopt(cache) == Adopted(new, moved=True)
    assert is_whole(new)
    assert (names(cache), names(cache / "a")) == (["a"], ["1_trt"])
    put(cache / "1_trt")
    assert adopt(cache) == Adopted(new)
    assert is_whole(cache / "1_trt"), "what an older server makes later is its own"


def test_a_copy_that_a_killed_conversion_had_set_aside_is_moved(cache: Path) -> None:
    (cache / "1_trt.stale-abc").mkdir()
    (cache / "1_trt").rename(cache / "1_trt.stale-abc" / "1_trt")
    assert adopt(cache).moved
    assert is_whole(cache / "a" / "1_trt")
    assert names(cache) == ["a"]


def of_another(old: Path) -> None:
    old.rename(old.with_name("away"))
    put(old, THEIRS)


def linked(old: Path) -> None:
    old.rename(old.with_name("away"))
    old.symlink_to("away")


LEFT: list[tuple[Callable[[Path], object], str]] = [
    (of_another, "it was made from another model"),
    (linked, "it is a link"),
    (lambda old: (old / "report.json").unlink(), "it has no report.json that says which model it was made from"),
    (lambda old: (old / "report.json").write_text("{"), "report.json can't be understood: "),
]


@pytest.mark.parametrize(("change", "reason"), LEFT)
def test_what_is_not_known_to_be_this_models_is_left_alone(
    change: Callable[[Path], object], reason: str, cache: Path
) -> None:
    change(cache / "1_trt")
    before = {path: path.is_file() and path.read_bytes() for path in sorted(cache.rglob("*"))}
    adopted = adopt(cache)
    assert (adopted.place, adopted.moved, adopted.reason[: len(reason)]) == (cache / "a" / "1_trt", False, reason)
    assert {path: path.is_file() and path.read_bytes() for path in before} == before
    assert names(cache / "a") == []


@pytest.mark.parametrize(("lock", "command"), [(".1_trt.lock", "flock"), ("a/.1_trt.lock", "take")])
def test_where_another_process_is_at_work_it_stays_until_that_has_ended(lock: str, command: str, cache: Path) -> None:
    (cache / "a").mkdir()
    with locked_by_another(cache / lock, command=command):
        assert adopt(cache) == Adopted(cache / "a" / "1_trt", reason="another process is at work on it")
        assert is_whole(cache / "1_trt")
    assert adopt(cache).moved


def test_of_many_that_want_it_one_gets_it(cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: adopt(cache, str(number)), range(24)))
    (moved,) = [adopted.place for adopted in found if adopted.moved]
    assert is_whole(moved)
    assert [place for place in cache.rglob("1_trt") if place != moved] == []


SCRIPT = """
import os, pathlib, signal, sys
from converter.disk import moving
if sys.argv[2:]:
    sys.addaudithook(lambda event, _: event == sys.argv[2] and os.kill(os.getpid(), signal.SIGKILL))
cache = pathlib.Path(sys.argv[1])
print(moving.adopt(cache / "1_trt", cache / "a" / "1_trt", "ab" * 32))
"""


def adopt_in_a_process(cache: Path, *kill_at: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(cache), *kill_at]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_killed_on_the_way_it_is_whole_in_one_of_the_places(cache: Path) -> None:
    assert adopt_in_a_process(cache, "os.rename").returncode == -9
    assert is_whole(cache / "1_trt")
    assert adopt(cache).moved


@pytest.mark.parametrize("source", [OURS, THEIRS])
def test_where_it_can_not_be_moved_it_is_used_where_it_is(source: str, cache: Path) -> None:
    (cache / "1_trt").rename(cache.parent / "away")
    put(cache / "1_trt", source)
    cache.chmod(0o555)
    done = obeying_permissions(lambda: adopt_in_a_process(cache))
    cache.chmod(0o755)
    place, reason = (
        ("1_trt", "it can't be moved: Permission denied")
        if source == OURS
        else ("a/1_trt", "it was made from another model")
    )
    assert done.stdout.strip() == repr(Adopted(cache / place, reason=reason))
    assert is_whole(cache / "1_trt", source)


def test_without_an_older_cache_nothing_is_made(tmp_path: Path) -> None:
    assert adopt(tmp_path / "cache") == Adopted(tmp_path / "cache" / "a" / "1_trt")
    assert os.listdir(tmp_path) == []
