"""The model is brought whole, as it is meant, or not at all."""

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.settings import bundled_model
from tests.support.places import ROOT

PROGRAM = ROOT / "deploy" / "bring_model.py"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are served."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def packed(path: Path, files: dict[str, bytes]) -> str:
    """Write an archive; what it hashes to."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bring(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *map(str, arguments)], capture_output=True, text=True)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_the_image_is_copied_once(tmp_path: Path) -> None:
    target = tmp_path / "yolox_nano"
    source = bundled_model() / "1" / "assets.extra"
    done = bring(source, target, "")
    assert (done.returncode, done.stderr) == (0, "")
    assert files(target) == files(source)
    (target / "mine").write_text("stays")
    assert bring(source, target, "").returncode == 0
    assert (target / "mine").exists()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("around", ["", "detector/"], ids=["bare", "in a folder"])
@pytest.mark.parametrize("inside", ["", "1/"], ids=["a SavedModel", "versions"])
def test_an_archive_becomes_the_folder(shelf: tuple[Path, str], tmp_path: Path, around: str, inside: str) -> None:
    folder, url = shelf
    names = {f"{inside}saved_model.pb": b"graph", f"{inside}variables/variables.index": b"weights"}
    digest = packed(folder / "model.tar.gz", {around + name: content for name, content in names.items()})
    done = bring(f"{url}/model.tar.gz", tmp_path / "model", digest.upper())
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "model") == names


@pytest.mark.parametrize(
    ("name", "digest", "says"),
    [
        ("model.tar.gz", "0" * 64, "is not what is meant: its SHA256 is "),
        ("model.tar.gz", "", "the SHA256 of "),
        ("missing.tar.gz", "0" * 64, "HTTP Error 404"),
        ("text", None, "is no tar archive"),
        ("hostile.tar", None, "is no tar archive that can be unpacked: '../out' would be extracted to "),
    ],
    ids=["another one", "no hash", "missing", "no archive", "hostile"],
)
def test_what_is_not_meant_leaves_nothing(
    shelf: tuple[Path, str], tmp_path: Path, name: str, digest: str | None, says: str
) -> None:
    folder, url = shelf
    packed(folder / "model.tar.gz", {"saved_model.pb": b"graph"})
    packed(folder / "hostile.tar", {"../out": b"planted"})
    (folder / "text").write_text("no archive")
    if digest is None:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    target = tmp_path / "volume" / "model"
    target.parent.mkdir()
    done = bring(f"{url}/{name}", target, digest)
    assert done.returncode == 1
    assert done.stderr.startswith("bring_model: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(target.parent.iterdir()) == []


def test_nothing_to_bring_is_told() -> None:
    assert bring("models/yolox_nano").stderr == (
        "bring_model: give a source, a target and, for an address, the archive's SHA256\n"
    )
