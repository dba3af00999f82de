"""A file is hashed once as long as nothing tells that it changed, also over the end of a process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.contract import Report
from converter.disk import kept, trees
from converter.disk.hashes import Hashes, sha256
from converter.disk.kept import Known, Seen
from tests.support.converter.readonly import obeying_permissions
from tests.support.converter.running import convert, fake_model

LATER_NS = 3600 * 10**9  # by then nothing is written any more


def later() -> int:
    return time.time_ns() + LATER_NS


def hashes(folder: Path) -> Hashes:
    """Those of a process that starts when the file is old."""
    return Hashes(kept.beside(folder / "copy"), clock=later)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "1" / "weights"
    path.parent.mkdir()
    path.write_bytes(b"some")
    return path


def known(place: Path) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads((place / ".hashes.json").read_text())
    return found


def forge(folder: Path, digest: str) -> None:
    """Tells a hash that is read from disk from one that is computed."""
    forged = {name: [*seen[:-1], digest] for name, seen in known(folder).items()}
    (folder / ".hashes.json").write_text(json.dumps(forged))


def test_what_did_not_change_is_not_read_by_the_next_process(weights: Path, tmp_path: Path) -> None:
    first = hashes(tmp_path)
    assert first(weights) == sha256(weights)
    first.keep()
    found = os.stat(weights)
    seen = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    assert known(tmp_path) == {str(weights): [*seen, sha256(weights)]}
    forge(tmp_path, "f" * 64)
    assert hashes(tmp_path)(weights) == "f" * 64, "it was read again"


def same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"more")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def other_file(path: Path) -> None:
    before = path.stat()
    path.with_name("new").write_bytes(b"more")
    os.utime(path.with_name("new"), ns=(before.st_atime_ns, before.st_mtime_ns))
    path.with_name("new").rename(path)


def linked_elsewhere(path: Path) -> None:
    other_file(path)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change", [lambda path: path.write_bytes(b"longer"), same_size_and_time, other_file, linked_elsewhere]
)
def test_what_changed_is_read_again(change: Callable[[Path], None], weights: Path, tmp_path: Path) -> None:
    first = hashes(tmp_path)
    first(weights)
    first.keep()
    forge(tmp_path, "f" * 64)
    change(weights)
    assert hashes(tmp_path)(weights) == first(weights) == sha256(weights)


def test_what_may_change_within_a_tick_is_never_remembered(weights: Path, tmp_path: Path) -> None:
    """Three writes follow each other faster than a file system's clock may tell."""
    soon = Hashes(kept.beside(tmp_path / "copy"))
    for content in (b"some", b"more", b"less"):
        weights.write_bytes(content)
        assert soon(weights) == sha256(weights)
        soon.keep()
    assert not (tmp_path / ".hashes.json").exists()


def test_what_changes_while_it_is_hashed_is_not_remembered(weights: Path, tmp_path: Path) -> None:
    def clock() -> int:
        """It is asked between the first look at a file and its reading."""
        weights.write_bytes(b"more")
        return later()

    changing = Hashes(kept.beside(tmp_path / "copy"), clock=clock)
    changing(weights)
    changing.keep()
    assert not (tmp_path / ".hashes.json").exists()


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"PATH": 1}',
    b'{"PATH": []}',
    b'{"PATH": [1, 2, 3, 4, "no hash"]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_file_of_hashes_counts_for_nothing(content: bytes, weights: Path, tmp_path: Path) -> None:
    (tmp_path / ".hashes.json").write_bytes(content.replace(b"PATH", os.fsencode(weights)))
    again = hashes(tmp_path)
    assert again(weights) == sha256(weights)
    again.keep()
    assert list(known(tmp_path)) == [str(weights)]


@pytest.mark.parametrize("plant", [lambda place, aim: place.symlink_to(aim), lambda place, _: os.mkfifo(place)])
def test_a_link_or_a_pipe_in_its_place_is_replaced(
    plant: Callable[[Path, Path], None], weights: Path, tmp_path: Path
) -> None:
    aim = tmp_path / "canary"
    aim.write_text("{}")
    plant(tmp_path / ".hashes.json", aim)
    first = hashes(tmp_path)
    first(weights)
    first.keep()
    assert (aim.read_text(), list(known(tmp_path))) == ("{}", [str(weights)])


def test_of_several_processes_and_files_that_are_gone(weights: Path, tmp_path: Path) -> None:
    other = weights.with_name("other")
    other.write_bytes(b"other")
    processes = [hashes(tmp_path), hashes(tmp_path)]
    for process, path in zip(processes, (weights, other), strict=True):
        process(path)
        process.keep()
    assert set(known(tmp_path)) == {str(weights), str(other)}
    other.unlink()
    third = hashes(tmp_path)
    weights.write_bytes(b"more")
    third(weights)
    third.keep()
    assert set(known(tmp_path)) == {str(weights)}


def test_where_nothing_can_be_written_all_is_as_without(weights: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from converter.disk.hashes import Hashes; path = Path(sys.argv[1]); "
    )
    script += "known = Hashes(path.parent / 'kept', clock=lambda: 1 << 62); print(known(path)); known.keep()"
    command = [sys.executable, "-c", script, str(weights)]
    weights.parent.chmod(0o555)
    done = obeying_permissions(lambda: subprocess.run(command, capture_output=True, text=True, check=True))
    weights.parent.chmod(0o755)
    assert (done.stdout.strip(), done.stderr) == (sha256(weights), "")


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_a_conversion_takes_what_is_known_unless_it_is_to_verify(options: list[str], tmp_path: Path) -> None:
    model = fake_model(tmp_path)
    place = kept.beside(tmp_path / "copies" / "1_trt")
    found = {path: path.stat() for path in (model / "saved_model.pb", model / "variables" / "data")}
    seen = {path: Seen(of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino) for path, of in found.items()}
    kept.add(place, {str(path): Known(each, "f" * 64) for path, each in seen.items()})
    done = convert(model, *options)
    assert done.returncode == 0, done.stderr
    anew = Report.from_json(done.stdout).identity.source_sha256 == trees.source_sha256(model)
    assert anew is bool(options)
