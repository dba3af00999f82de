"""On a system that has not what only Linux has, the server serves all the same, and says what it does without."""

from pathlib import Path

import pytest

from app.settings import bundled_model
from benchmarks.serving import copied, serving
from converter.machine import cores, memory, system
from tests.support.places import DOG, ROOT

# Read by every Python that is started with it: a macOS as far as modules go, on this machine.
SITE = """
import ctypes, fcntl, os, sys
del os.sched_getaffinity, os.sched_setaffinity, fcntl.F_OFD_SETLK, fcntl.F_OFD_GETLK
real = ctypes.CDLL
class Without(real):
    def __getattr__(self, name):
        if name in ("prctl", "malloc_trim", "mallopt"):
            raise AttributeError(name)
        return real.__getattr__(self, name)
ctypes.CDLL = Without
"""


@pytest.mark.tensorflow
@pytest.mark.parametrize("copies", ["", pytest.param("onnx", marks=pytest.mark.long)], ids=["native", "and a copy"])
def test_it_serves_without_what_only_linux_has(tmp_path: Path, copies: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    model = copied(bundled_model(), tmp_path / "yolox_nano")
    path = f"{tmp_path / 'site'}:{ROOT}"
    with serving({"DETECTOR_MODEL": str(model), "DETECTOR_COPIES": copies, "PYTHONPATH": path}) as server:
        server.wait_until_ready()
        assert server.detect(DOG.read_bytes(), backend="native").json()["count"] > 1
        if not copies:
            return
        server.wait_until(lambda: server.model()["backends"]["onnx"]["state"] in ("standby", "active"), within_s=300)
        assert server.detect(DOG.read_bytes(), backend="onnx").json()["count"] > 1


def test_without_proc_memory_is_all_that_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.available_bytes(root=tmp_path) > memory.available_bytes()
    assert memory.kills(root=tmp_path) == 0
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    assert memory.group_bytes(1) == 0


def test_where_nobody_tells_the_cores_are_all_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    told = cores.usable()
    monkeypatch.delattr("os.sched_getaffinity")
    assert cores.usable() >= told >= 1


def test_what_is_done_without_is_one_sentence() -> None:
    assert system.lacking("linux") is None
    sentence = system.lacking("darwin")
    assert sentence
    assert "a conversion's memory is not bounded" in sentence
