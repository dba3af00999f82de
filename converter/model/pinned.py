"""Memory of the CPU that a GPU reads by itself.

From other memory CUDA's driver copies each picture once more first, one after the other: a RetinaNet in four lanes took
501 pictures of 768x576 a second so, and 574 from here (ONNX Runtime 1.31.1 on an H200).
"""

import ctypes
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBRARIES = ("libcudart.so.13", "libcudart.so.12")  # of the CUDA that ONNX Runtime has loaded
_LARGEST = 16 << 20  # bytes of a picture; such memory can't be swapped out, and each thread keeps its own


class Pinned(threading.local):
    """A place for one picture in each thread that asks; it goes back to the driver once nobody holds a part of it."""

    def __init__(self, runtime: Any = None) -> None:
        self._runtime = runtime or _cuda()
        self._place = np.empty(0, np.uint8)

    def room(self, size: int) -> NDArray[np.uint8] | None:
        """This thread's place, of at least so many bytes, until it asks again; None if there is none so large."""
        if self._place.nbytes < size <= _LARGEST:
            self._grow(min(2 * size, _LARGEST))
        return self._place if self._place.nbytes >= size else None

    def _grow(self, size: int) -> None:
        """Have so many bytes, if the driver gives them."""
        if self._runtime is None:
            return
        place = ctypes.c_void_p()
        if self._runtime.cudaMallocHost(ctypes.byref(place), ctypes.c_size_t(size)) or place.value is None:
            self._runtime.cudaGetLastError()  # forgets it: ONNX Runtime would take it for an error of its next kernel
            self._runtime = None
            return
        memory = (ctypes.c_uint8 * size).from_address(place.value)
        freed = weakref.finalize(memory, self._runtime.cudaFreeHost, place)
        freed.atexit = False  # then all of it goes back
        self._place = np.ctypeslib.as_array(memory)


def _cuda() -> Any:
    """CUDA's runtime, or None."""
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
