"""A server with a cache of an earlier one: what is its model's is moved to its place, and used."""

import asyncio
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.copies.jobs import Job, JobFiles
from converter.contract import Options
from converter.disk import hashes, trees
from tests.support.app.comparing import ServerSetup
from tests.support.app.copying import PLAIN, Copying
from tests.support.converter.locking import without_locks
from tests.support.converter.readonly import obeying_permissions

pytestmark = pytest.mark.anyio


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Two models of which each has a version 1, and neither can be written beside."""
    for name in "ab":
        (tmp_path / name).mkdir()
        Copying(tmp_path / name, PLAIN, wanted=(), convert=False)
    (tmp_path / "b" / "1" / "variables" / "more").write_bytes(b"of another model")
    (tmp_path / "cache" / "1_jobs").mkdir(parents=True)
    for name in "ab":
        (tmp_path / name).chmod(0o555)
    yield tmp_path
    for name in "ab":
        (tmp_path / name).chmod(0o755)


def put_earlier(root: Path, name: str, target: str) -> None:
    """A copy of this model, and the job that made it, where an earlier server put them."""
    (root / name).chmod(0o755)
    bench = Copying(root / name, PLAIN, wanted=(), convert=False)
    shutil.move(bench.put(target), root / "cache" / f"1_{target}")
    (root / name).chmod(0o555)
    job = Job(Options(target=target), report={"identity": {"source_sha256": trees.source_sha256(bench.source)}})
    job.end("succeeded")
    JobFiles(root / "cache" / "1_jobs").write(job)


def served(root: Path, name: str, *targets: str) -> Copying:
    """The copies as a server of this model has them, once it has looked at them."""

    async def prepared() -> Copying:
        bench = Copying(root / name, PLAIN, wanted=targets, convert=False, cache=root / "cache")
        bench.served.sha256 = trees.source_sha256(bench.source)
        await bench.prepare()
        await bench.close()
        return bench

    return obeying_permissions(lambda: asyncio.run(prepared()))


def test_each_model_gets_what_was_made_of_it(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    put_earlier(root, "a", "frozen")
    cache = root / "cache"
    b, a = served(root, "b", "frozen"), served(root, "a", "frozen")
    assert (b.starter.asked, b.conversions.jobs) == ([], [])
    (home,) = cache.glob("a-*")
    assert [spec.folder for spec in a.starter.asked] == [home / "1_frozen"]
    assert [job.options.target for job in a.conversions.jobs] == ["frozen"]
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("copy ")]
    assert told == [
        f"copy left where it was folder={str(cache / '1_frozen')!r} reason='it was made from another model'",
        f"copy moved target=frozen folder={str(home / '1_frozen')!r}",
    ]


async def test_listening_waits_for_no_hash(saved_model: Path) -> None:
    server = ServerSetup(saved_model)
    assert server.parts.served.sha256 is None
    await server.parts.versions.open()
    assert server.parts.served.sha256 == trees.source_sha256(saved_model / "1")
    await server.close()


def test_the_distrustful_have_every_file_read(saved_model: Path) -> None:
    server = ServerSetup(saved_model, verify=True)
    assert server.parts.served.file_hash is hashes.sha256


async def test_a_file_system_without_locks_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Copying(tmp_path, PLAIN, wanted=(), convert=False)
    without_locks(lambda: asyncio.run(bench.folders.settle()))
    (record,) = [record for record in caplog.records if record.getMessage().startswith("locks missing ")]
    assert record.levelno == logging.WARNING
    assert f"the file system of {tmp_path} can't lock files" in record.getMessage()
