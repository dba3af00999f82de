"""CUDA's runtime, by itself: the one that ONNX Runtime has loaded."""

import ctypes
from typing import Any

_LIBRARIES = ("libcudart.so.13", "libcudart.so.12")
_BLOCKING_SYNC = 4  # cudaDeviceScheduleBlockingSync


def runtime() -> Any:
    """The library, or None where there is none."""
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def wait_asleep(library: Any) -> None:
    """Have threads that wait for the GPU sleep; else each takes a core from those that decode.

    A RetinaNet in four lanes on 16 cores took 640 pictures a second while they spun, and 763 so (an H200).
    """
    if library is not None and library.cudaSetDeviceFlags(_BLOCKING_SYNC):
        library.cudaGetLastError()  # forgets it: ONNX Runtime would take it for one of its next kernel
