"""A conversion crashes or is killed, with the real TensorFlow: the job says so, and all serves on."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.serving import Server, assert_gone, children, copied, descendants, serving
from benchmarks.traffic import traffic
from tests.support.app.converting import contents
from tests.support.places import PROGRAMS
from tests.support.slower import SLOWER
from tests.support.smi import put_smi

pytestmark = [pytest.mark.heavy, pytest.mark.tensorflow]

MAKING = ("load", "convert", "save")
IN_WORDS = "(loading the model|converting the graph|saving)"


@pytest.fixture(scope="module")
def folders(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model whose frozen copy has been made, and one for programs that the server finds."""
    folder = tmp_path_factory.mktemp("crashes")
    (folder / "bin").mkdir()
    copied(model_folder, folder / "models")
    return folder


@pytest.fixture(scope="module")
def on_a_gpu(folders: Path, standin_library: Path) -> Iterator[Server]:
    """A server that takes its machine for one with a GPU, where TensorRT crashes (see programs/on_a_gpu.py)."""
    environ = {
        "DETECTOR_MODEL": str(folders / "models"),
        "DETECTOR_COPIES": "trt,frozen",
        "DETECTOR_STARTUP_CONVERSION": "off",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_ADMIN_TOKEN": "secret",
        **SLOWER,
        "LD_LIBRARY_PATH": str(standin_library),
        "PATH": f"{folders / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{PROGRAMS}{os.pathsep}{Path.cwd()}",
        "STAND_IN": "on_a_gpu",
        "DETECTOR_CHILD_ENVIRONMENT": "STAND_IN",
    }
    with serving(environ) as running:
        running.wait_until_ready()
        running.wait_until(lambda: running.model()["backends"]["frozen"]["state"] == "standby")
        yield running


@contextmanager
def all_serves_on(server: Server, folders: Path, photos: dict[str, bytes]) -> Iterator[None]:
    """The block changes nothing of the copy that is there, delays no answer beyond bearing, and leaves no process."""
    frozen = folders / "models" / "1_frozen"
    files, workers = contents(frozen), children(server.process.pid)
    with traffic(server.url, list(photos.values()), connections=2, pause_s=0.5, backend="frozen") as sent:
        yield
    assert (sent.errors, set(sent.statuses)) == ([], {200})
    assert server.detect(photos["dog"], backend="native").status_code == 200
    assert contents(frozen) == files
    assert not list(frozen.parent.glob("*.partial-*"))
    assert sorted(children(server.process.pid)) == sorted(workers)


def program(server: Server, module: str) -> int:
    """The process id of this program of the converter."""
    for pid in descendants(server.process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if command[1:3] == ["-m", module]:
            return pid
    raise LookupError(f"{module} does not run")


def test_tensorrt_crashes_while_it_builds_engines(on_a_gpu: Server, folders: Path, photos: dict[str, bytes]) -> None:
    with all_serves_on(on_a_gpu, folders, photos):
        assert on_a_gpu.model()["backends"]["trt"]["reason"] == "no copy has been made yet"
        job = on_a_gpu.ended(on_a_gpu.convert(target="trt"))
    assert (job["state"], job["reason"]) == ("failed", "the converter crashed while building engines (SIGSEGV)")
    assert job["seconds"].keys() >= {"load", "convert"}
    assert any("Total nonconverted OPs" in line for line in job["log"]), "TF-TRT has converted"
    told = on_a_gpu.model()["backends"]["trt"]
    assert (told["state"], told["reason"]) == ("unavailable", f"making the copy ended: {job['reason']}")
    assert not (folders / "models" / "1_trt").exists()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("converter", f"the converter was ended by SIGKILL while {IN_WORDS}"),
        ("converter.targets.making", f"the converter crashed while {IN_WORDS} \\(SIGKILL\\)"),
    ],
)
def test_a_part_of_the_converter_is_killed(
    module: str, reason: str, on_a_gpu: Server, folders: Path, photos: dict[str, bytes]
) -> None:
    """At work on the copy; tests/app/copies/test_conversions_ended.py has every step, without TensorFlow."""
    with all_serves_on(on_a_gpu, folders, photos):
        job = on_a_gpu.convert(target="frozen")
        on_a_gpu.wait_until(lambda: on_a_gpu.job(job)["step"] in MAKING)
        working = descendants(program(on_a_gpu, "converter"))
        os.kill(program(on_a_gpu, module), signal.SIGKILL)
        job = on_a_gpu.ended(job)
        assert_gone(working)
    assert job["state"] == "failed"
    assert re.fullmatch(reason, job["reason"])


def test_where_two_have_no_room_the_old_copy_serves_on(
    on_a_gpu: Server, folders: Path, photos: dict[str, bytes]
) -> None:
    held = f"{on_a_gpu.worker_pid('frozen')}, GPU-5, 7000"
    put_smi(folders / "bin", {"compute-apps=pid,gpu_uuid,used_memory": held, "gpu=uuid,memory.free": "GPU-5, 900"})
    with all_serves_on(on_a_gpu, folders, photos):
        response = on_a_gpu.admin("POST", "/admin/reload", json={"backend": "frozen"})
    assert response.status_code == 409
    assert response.json()["error"] == (
        "the frozen copy can't be loaded: there is not enough GPU memory for two: the worker that serves now holds "
        "7000 MiB and 900 MiB are free; what served before goes on serving"
    )
