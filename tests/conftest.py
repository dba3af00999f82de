"""Fixtures that many tests share; tests that need the system are skipped with a reason, unless CI asked for them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import bundled_model
from tests.altering import altered
from tests.serving import SLOWER, Server, serving
from tests.standin import engineless_copy, engineless_trt, standin_library

__all__ = ["altered", "engineless_copy", "engineless_trt", "standin_library"]  # fixtures

ROOT = Path(__file__).parent.parent
SERVERS = ROOT / "tests" / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SERVERS not in item.path.parents)  # the longest first: two processes share the files
    if os.environ.get("DETECTOR_TEST_SYSTEM") == "1":
        return
    skip = pytest.mark.skip(reason="needs packages of the system, root or long downloads: DETECTOR_TEST_SYSTEM=1")
    for item in items:
        if "system" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def photos() -> dict[str, bytes]:
    """The test photos by name, as JPEG files."""
    folders = (ROOT / "converter" / "photos", ROOT / "tests" / "data")
    return {path.stem: path.read_bytes() for folder in folders for path in sorted(folder.glob("*.jpg"))}


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model's folder of versions, in which copies may be made."""
    folder = tmp_path_factory.mktemp("models") / "yolox_nano"
    shutil.copytree(bundled_model() / "1", folder / "1")
    return folder


@pytest.fixture(scope="session")
def server(model_folder: Path) -> Iterator[Server]:
    """The real server with the real model, native active, frozen warm and slower, admin token `secret`."""
    environ = {
        "DETECTOR_MODEL": str(model_folder),
        "DETECTOR_COPIES": "trt,frozen",
        "DETECTOR_STARTUP_CONVERSION": "blocking",
        "DETECTOR_ADMIN_TOKEN": "secret",
        **SLOWER,
    }
    with serving(environ) as running:
        running.wait_until_ready(within_s=300)  # the copy is made by a process that comes after all else
        yield running
