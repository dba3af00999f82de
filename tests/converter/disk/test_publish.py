"""Copies on disk: where they go, and that they are whole or not there."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from converter.contract import ConversionFailed
from converter.disk import places, publish
from tests.support.converter.locking import alone, locked_by_another
from tests.support.converter.readonly import obeying_permissions
from tests.support.converter.running import names


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# Where a copy goes


@pytest.mark.parametrize(
    ("model", "target", "copy"),
    [
        ("1", "trt", "1_trt"),
        ("1", "frozen", "1_frozen"),
        ("detector", "trt", "detector_trt"),
        ("v1.2", "trt", "v1.2_trt"),
    ],
)
@pytest.mark.parametrize("with_cache", [False, True])
def test_a_copy_goes_beside_its_model(tmp_path: Path, model: str, target: str, copy: str, with_cache: bool) -> None:
    cache = tmp_path / "cache" if with_cache else None
    assert places.location(tmp_path / model, target, cache=cache) == tmp_path / copy


def location_for_a_user(model: Path, cache: Path | None) -> Path:
    """`places.location` in a process that can't write where the permissions forbid it."""
    ask = "import sys, pathlib; from converter.disk import places; model, *cache = map(pathlib.Path, sys.argv[1:]); "
    ask += "print(places.location(model, 'trt', cache=cache[0] if cache else None))"
    command = [sys.executable, "-c", ask, str(model), *([str(cache)] if cache else [])]
    done = obeying_permissions(lambda: subprocess.run(command, capture_output=True, text=True, check=True))
    return Path(done.stdout.strip())


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("beside", "cache", "place"),
    [
        pytest.param("1", "cache", "cache/models-{}/1_trt", id="into the cache"),
        pytest.param("1", None, "models/1_trt", id="beside it without a cache, even if that will fail"),
        pytest.param("1_trt", "cache", "models/1_trt", id="where it stands already"),
    ],
)
def test_a_copy_of_a_read_only_model_goes(tmp_path: Path, beside: str, cache: str | None, place: str) -> None:
    (tmp_path / "models" / beside).mkdir(parents=True)
    with read_only(tmp_path / "models"):
        found = location_for_a_user(tmp_path / "models" / "1", tmp_path / cache if cache else None)
    digest = hashlib.sha256(str(tmp_path / "models").encode()).hexdigest()
    assert found == tmp_path / place.format(digest[:8])


# Written beside, then renamed


def test_a_folder_appears_whole_and_only_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "1_frozen"
    with publish.written_beside(folder) as partial:
        write(partial, {"saved_model.pb": b"graph", "variables/data": b"weights"})
        assert partial.parent == folder.parent
        assert not folder.exists()
    assert (folder / "variables" / "data").read_bytes() == b"weights"
    assert names(folder.parent) == ["1_frozen"]


def test_other_users_may_read_what_was_written(tmp_path: Path) -> None:
    with publish.written_beside(tmp_path / "1_frozen"):
        pass
    assert (tmp_path / "1_frozen").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("old", [None, b"old"], ids=["nothing", "the old copy"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    folder = tmp_path / "1_frozen"
    if old is not None:
        write(folder, {"saved_model.pb": old})
    with pytest.raises(ZeroDivisionError), publish.written_beside(folder) as partial:
        write(partial, {"saved_model.pb": bytes(1 // 0)})
    assert names(tmp_path) == ([] if old is None else ["1_frozen"])
    assert old is None or (folder / "saved_model.pb").read_bytes() == old


def test_a_disk_that_gives_up_is_told_and_leaves_the_old_copy(tmp_path: Path) -> None:
    folder = write(tmp_path / "1_frozen", {"saved_model.pb": b"old"})
    with (
        pytest.raises(ConversionFailed, match="writing the copy failed: No space left on device"),
        publish.written_beside(folder),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"new")
    assert (folder / "saved_model.pb").read_bytes() == b"old"
    assert names(tmp_path) == ["1_frozen"]


def test_a_new_copy_takes_the_place_of_the_old_one_entirely(tmp_path: Path) -> None:
    folder = write(tmp_path / "1_frozen", {"saved_model.pb": b"old", "assets/left": b"over"})
    with publish.written_beside(folder) as partial:
        write(partial, {"saved_model.pb": b"new"})
        assert (folder / "saved_model.pb").read_bytes() == b"old"
    assert names(folder) == ["saved_model.pb"]
    assert (folder / "saved_model.pb").read_bytes() == b"new"
    assert names(tmp_path) == ["1_frozen"]


def test_a_place_that_can_not_be_written_to_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"a file")
    with (
        pytest.raises(ConversionFailed, match=r"the copy can't be written to models: "),
        publish.written_beside(tmp_path / "models" / "1_frozen"),
    ):
        pass


@pytest.mark.parametrize("name", ["1_frozen", "de[1]*_trt"])
@pytest.mark.parametrize("left", ["partial", "stale"])
def test_what_a_crash_left_behind_is_swept_away_the_next_time(tmp_path: Path, name: str, left: str) -> None:
    write(tmp_path / f"{name}.{left}-abc", {"saved_model.pb": b"half"})
    with alone(tmp_path / name):
        assert names(tmp_path) == []


def test_what_another_process_is_at_is_left_alone_until_it_ends(tmp_path: Path) -> None:
    busy = write(tmp_path / "1_frozen.partial-abc", {"saved_model.pb": b"half"})
    with locked_by_another(tmp_path / ".1_frozen.lock"):
        publish.recover(tmp_path / "1_frozen")
        with (
            pytest.raises(ConversionFailed, match="another process is still making 1_frozen"),
            alone(busy.parent / "1_frozen"),
        ):
            pass
        assert names(tmp_path) == [busy.name]
    publish.recover(tmp_path / "1_frozen")
    assert names(tmp_path) == []


@pytest.mark.parametrize("other", ["1_frozen", "1_trt.partial-abc", "11_frozen.partial-abc", "1_frozen.old", "1"])
def test_nothing_else_is_swept_away(tmp_path: Path, other: str) -> None:
    write(tmp_path / other, {"saved_model.pb": b"precious"})
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "1_frozen"), publish.written_beside(tmp_path / "1_frozen"):
        _ = 1 / 0
    assert (tmp_path / other / "saved_model.pb").read_bytes() == b"precious"


def test_several_that_finish_together_all_succeed_and_one_stays(tmp_path: Path) -> None:
    def once(number: int) -> None:
        with alone(tmp_path / "1_frozen", within_s=60), publish.written_beside(tmp_path / "1_frozen") as partial:
            write(partial, {"saved_model.pb": str(number).encode()})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(24)))
    assert names(tmp_path) == ["1_frozen"]
    assert int((tmp_path / "1_frozen" / "saved_model.pb").read_bytes()) in range(24)
