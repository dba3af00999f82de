"""Fixtures of the server's tests: the event loop, a thread pool, a good picture and a folder like a SavedModel's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.backends.backend import Spec
from app.images import Image, check
from app.lanes.batching import MicroBatcher
from app.lanes.runner import Bounds
from app.metrics import Metrics
from tests.support.app import jpegs
from tests.support.app.converting import Programs
from tests.support.app.phases import Phases
from tests.support.app.queueing import Make, QueuedModel
from tests.support.fakes import FakeBackend


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def street() -> Image:
    """A good picture of 64 x 48 pixels."""
    return check(jpegs.photo(), max_pixels=1_000_000)


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    """A folder of versions whose version 1 has the files of a SavedModel, though no TensorFlow would load them."""
    return put_model(tmp_path)


@pytest.fixture(scope="module")
def shared_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all tests of a module, which leave it as it is."""
    return put_model(tmp_path_factory.mktemp("shared"))


def put_model(root: Path) -> Path:
    folder = root / "street_signs" / "1"
    (folder / "assets.extra").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"a graph")
    (folder / "assets.extra" / "labels.txt").write_text("64 tram\n65 traffic light\n")
    return folder.parent


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    """Children that start from now on run no TensorFlow."""
    return Programs(monkeypatch, tmp_path)


@pytest.fixture
async def backend() -> FakeBackend:
    return FakeBackend(Spec("native", Path("street/1"), max_batch=8))


@pytest.fixture
def make(backend: FakeBackend, executor: ThreadPoolExecutor) -> Make:
    """Makes a batcher in front of `backend`."""

    def batcher(*, limit: int = 64, max_batch: int = 8, in_flight: int = 1, max_pixels: int = 1 << 62) -> MicroBatcher:
        model = QueuedModel(backend.detect, max_batch=max_batch, max_in_flight=in_flight)
        return MicroBatcher(model, Metrics(), bounds=Bounds(limit, max_pixels), executor=executor)

    return batcher


@pytest.fixture
def phases(caplog: pytest.LogCaptureFixture) -> Phases:
    """What slots go through from now on."""
    return Phases(caplog)
