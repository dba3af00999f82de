"""Fixtures that many tests share; tests that need the system or take long are skipped unless they are asked for."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import Server, copied, free_port, serving
from tests.support.altering import altered
from tests.support.once import Once, once
from tests.support.slower import SLOWER
from tests.support.standin import engineless_copy, engineless_trt, standin_library

__all__ = ["altered", "engineless_copy", "engineless_trt", "once", "standin_library"]  # fixtures

ROOT = Path(__file__).parent.parent
SERVERS = ROOT / "tests" / "e2e"
ASKED_FOR = {
    "system": "needs packages of the system or root",
    "heavy": "takes both cores for a while",
    "long": "takes minutes",
}


def pytest_configure(config: pytest.Config) -> None:
    """Where Python may leave no bytecode beside its sources, pytest's cache keeps it.

    Else each of the hundreds of programs that tests start compiles all that it imports.
    """
    if sys.dont_write_bytecode and hasattr(config, "cache"):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(config.cache.mkdir("bytecode"))
        sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_soon)  # the longest first: two processes share the files
    for mark, reason in ASKED_FOR.items():
        variable = f"DETECTOR_TEST_{mark.upper()}"
        if os.environ.get(variable) != "1":
            for item in (each for each in items if mark in each.keywords):
                item.add_marker(pytest.mark.skip(reason=f"{reason}: {variable}=1"))


def _soon(item: pytest.Item) -> tuple[bool, bool]:
    return SERVERS not in item.path.parents, not {"system", "tensorflow"} & set(item.keywords)


@pytest.fixture(scope="session")
def photos() -> dict[str, bytes]:
    """The test photos by name, as JPEG files."""
    folders = (ROOT / "converter" / "photos", ROOT / "tests" / "data")
    return {path.stem: path.read_bytes() for folder in folders for path in sorted(folder.glob("*.jpg"))}


@pytest.fixture(scope="session")
def model_folder(once: Once) -> Iterator[Path]:
    """The bundled model's folder of versions with the frozen copy that a server has made; nobody may write to it."""
    folder = once("with_frozen", _make_frozen)
    before = sorted(folder.rglob("*"))
    yield folder
    assert sorted(folder.rglob("*")) == before, "a test wrote to the folder that all tests share; give it a copy"


def _make_frozen(folder: Path) -> None:
    shutil.copytree(bundled_model() / "1", folder / "1")
    environ = {"DETECTOR_MODEL": str(folder), "DETECTOR_COPIES": "frozen", "DETECTOR_MAX_BATCH": "1"}
    with serving({**environ, **SLOWER, "DETECTOR_STARTUP_CONVERSION": "blocking"}) as running:
        running.wait_until_ready(within_s=300)  # the copy is made by a process that comes after all else


@pytest.fixture(scope="session")
def rpc() -> str:
    """The address at which `server` speaks gRPC."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def server(model_folder: Path, rpc: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server with the real model, native active, frozen warm and slower, admin token `secret`."""
    environ = {
        "DETECTOR_MODEL": str(copied(model_folder, tmp_path_factory.mktemp("served") / "yolox_nano")),
        "DETECTOR_COPIES": "trt,frozen",
        "DETECTOR_STARTUP_CONVERSION": "blocking",
        "DETECTOR_ADMIN_TOKEN": "secret",
        "DETECTOR_GRPC_BIND": rpc,
        **SLOWER,
    }
    with serving(environ) as running:
        running.wait_until_ready()
        yield running
