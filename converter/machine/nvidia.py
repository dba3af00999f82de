"""What the NVIDIA driver says of itself, of its GPUs and of the processes on them, asked without TensorFlow."""

import ctypes
import os
import re
import subprocess
from pathlib import Path

_TIMEOUT_S = 20.0  # the first question after a start of the machine wakes every GPU
# NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu …
# NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build …
_KERNEL_MODULE = re.compile(r"Kernel Module\b.*?\s(\d+(?:\.\d+)+)\s")


def driver(*, root: Path = Path("/")) -> str | None:
    """The driver's version, like 550.54.15; None where there is none."""
    try:
        found = _KERNEL_MODULE.search((root / "proc/driver/nvidia/version").read_text(errors="replace"))
    except OSError:
        found = None  # Windows' Linux has no such file, but nvidia-smi
    if found:
        return found[1]
    rows = smi("gpu=driver_version")
    return rows[0][0] if rows else None


def smi(query: str) -> list[list[str]]:
    """The rows that `nvidia-smi --query-…` answers, sizes in MiB; none where it is missing, fails or hangs.

    `query` is like gpu=uuid,memory.free; a cell that is not known reads [N/A].
    """
    command = ["nvidia-smi", f"--query-{query}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == query.count(",") + 1 and row != [""]]


def held_bytes(pid: int | None = None) -> int | None:
    """What a process (None: this one) holds of all GPUs; None if nvidia-smi does not know it, as in some containers."""
    return sum(held_by_gpu(pid or os.getpid()).values()) or None


def held_by_gpu(pid: int) -> dict[str, int]:
    """The bytes that a process holds, by the uuid of the GPU; empty if nvidia-smi does not know it.

    In a container nvidia-smi may call processes by the ids that they have outside, or name none.
    """
    apps = smi("compute-apps=pid,gpu_uuid,used_memory")
    return {gpu: int(mib) << 20 for owner, gpu, mib in apps if owner == str(pid) and mib.isdigit()}


def memory_bytes() -> tuple[int, ...]:
    """The memory of each GPU that CUDA shows to this process, in CUDA's order; empty without CUDA.

    nvidia-smi has another order, lists GPUs that CUDA_VISIBLE_DEVICES hides, and of a divided one the whole.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ()
    count, device, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    sizes = []
    for index in range(count.value):
        if cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device):
            return ()
        sizes.append(size.value)
    return tuple(sizes)
