"""Is there memory for two workers? Asked of files as a machine, a container and an nvidia-smi have them."""

from pathlib import Path

import pytest

from app import memory
from tests.support.proc import GIB, MIB, WORKER, limit_2, machine, write
from tests.support.smi import put_smi


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine(tmp_path)


@pytest.fixture(autouse=True)
def smi_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for an nvidia-smi, and no other."""
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return folder


# What a GPU has

APPS, GPUS = "compute-apps=pid,gpu_uuid,used_memory", "gpu=uuid,memory.free"


@pytest.mark.parametrize(
    ("apps", "gpus", "answer"),
    [
        pytest.param("37, GPU-1, 3000", "GPU-1, 5000", (5000 * MIB, 3000 * MIB), id="room"),
        pytest.param("37, GPU-1, 3000", "GPU-1, 2000", (2000 * MIB, 3000 * MIB), id="no room"),
        pytest.param(
            "12, GPU-2, 9000\n37, GPU-2, 500\n37, GPU-1, 3000",
            "GPU-1, 2000\nGPU-2, 70000",
            (2000 * MIB, 3000 * MIB),
            id="the one of two GPUs with less to spare",
        ),
        pytest.param("4711, GPU-1, 3000", "GPU-1, 2000", None, id="named by an id outside the container"),
        pytest.param("", "GPU-1, 2000", None, id="no process is named"),
        pytest.param("37, GPU-1, [N/A]", "GPU-1, 2000", None, id="its memory is not told"),
        pytest.param("37, GPU-1, 3000", "GPU-1, [N/A]", None, id="what is free is not told"),
    ],
)
def test_what_is_free_and_what_the_process_holds(
    apps: str, gpus: str, answer: tuple[int, int] | None, smi_folder: Path
) -> None:
    put_smi(smi_folder, {APPS: apps, GPUS: gpus})
    assert memory.gpu_free_and_used(WORKER) == answer


def test_without_nvidia_smi_nothing_is_known_of_a_gpu() -> None:
    assert memory.gpu_free_and_used(WORKER) is None


# The verdict


def test_there_is_room_for_two(root: Path, smi_folder: Path) -> None:
    put_smi(smi_folder, {APPS: "37, GPU-1, 3000", GPUS: "GPU-1, 3000"})
    assert memory.lacking(WORKER, root=root) is None


def test_too_little_memory_is_a_sentence_with_both_numbers(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/")
    limit_2(root, "/", most=GIB, used=724 * MIB)
    assert memory.lacking(WORKER, root=root) == (
        "there is not enough memory for two: the worker that serves now holds 512 MiB and 300 MiB are free"
    )


def test_too_little_memory_of_the_gpu_is_a_sentence_too(root: Path, smi_folder: Path) -> None:
    put_smi(smi_folder, {APPS: "37, GPU-1, 61440", GPUS: "GPU-1, 20000"})
    assert memory.lacking(WORKER, root=root) == (
        "there is not enough GPU memory for two: the worker that serves now holds 60.0 GiB and 19.5 GiB are free"
    )


def test_a_worker_that_is_gone_needs_no_room_beside_it(root: Path) -> None:
    assert memory.lacking(39, root=root) is None
