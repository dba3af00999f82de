"""What the NVIDIA driver says, read from files and from an nvidia-smi as they look on machines that have one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from converter.machine import nvidia
from tests.support.smi import put_smi

CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023"
OPEN = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  "
    "Release Build  (dvs-builder@U16-I2-C04-18-5)  Fri Jan 24 22:46:50 UTC 2025"
)
COMPILER = "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)"


def machine(root: Path, version: str) -> Path:
    folder = root / "proc" / "driver" / "nvidia"
    folder.mkdir(parents=True)
    (folder / "version").write_text(f"{version}\n{COMPILER}\n")
    return root


@pytest.fixture
def smi_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched for an nvidia-smi, and no other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(("version", "driver"), [(CLOSED, "535.129.03"), (OPEN, "570.86.15")])
def test_the_driver_is_the_kernel_modules_version(version: str, driver: str, tmp_path: Path) -> None:
    assert nvidia.driver(root=machine(tmp_path, version)) == driver


def test_without_that_file_nvidia_smi_is_asked(smi_folder: Path, tmp_path: Path) -> None:
    put_smi(smi_folder, {"gpu=driver_version": "566.36\n566.36"})
    assert nvidia.driver(root=tmp_path) == "566.36"


@pytest.mark.parametrize("version", ["something else", ""])
def test_a_file_without_a_version_is_passed_over(version: str, smi_folder: Path, tmp_path: Path) -> None:
    assert nvidia.driver(root=machine(tmp_path / "machine", version)) is None


def test_a_machine_without_either_has_no_driver(smi_folder: Path, tmp_path: Path) -> None:
    assert nvidia.driver(root=tmp_path) is None


def test_rows_are_cells_without_spaces(smi_folder: Path) -> None:
    put_smi(smi_folder, {"gpu=uuid,memory.free": "GPU-1, 80000\nGPU-2, [N/A]"})
    assert nvidia.smi("gpu=uuid,memory.free") == [["GPU-1", "80000"], ["GPU-2", "[N/A]"]]


@pytest.mark.parametrize("text", ["", "a warning\n\nof the driver"])
def test_lines_that_are_no_row_are_passed_over(text: str, smi_folder: Path) -> None:
    put_smi(smi_folder, {"gpu=uuid,memory.free": text})
    assert nvidia.smi("gpu=uuid,memory.free") == []


def test_a_process_holds_what_all_gpus_say(smi_folder: Path) -> None:
    put_smi(smi_folder, {"compute-apps=pid,gpu_uuid,used_memory": "7, A, 300\n8, A, 100\n7, B, 200\n9, A, [N/A]"})
    assert [nvidia.held_bytes(pid) for pid in (7, 8, 9)] == [500 << 20, 100 << 20, None]
    assert nvidia.held_bytes() is None


def test_a_question_that_fails_has_no_rows(smi_folder: Path) -> None:
    put_smi(smi_folder, {})
    assert nvidia.smi("gpu=driver_version") == []


def test_the_memory_of_each_gpu_is_asked_of_cuda(standin_cuda: Path) -> None:
    assert memory({"LD_LIBRARY_PATH": str(standin_cuda)}) == "(85899345920, 25769803776)"


def test_a_cuda_without_gpus_has_no_memory(standin_cuda: Path) -> None:
    assert memory({"LD_LIBRARY_PATH": str(standin_cuda), "STANDIN_CUDA_FAILS": "1"}) == "()"


def memory(environ: dict[str, str]) -> str:
    """What is said in a process of its own: a library is loaded once for all."""
    script = "from converter.machine import nvidia; print(nvidia.memory_bytes())"
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=True
    ).stdout.strip()
