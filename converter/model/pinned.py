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

from converter.model import cuda

_LARGEST = 16 << 20  # bytes of a picture: such memory can't be swapped out
_MOST = 512 << 20  # bytes of all places


class Pinned:
    """Places for pictures, which are filled again and again. `runtime`: CUDA's; without it there are none."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._idle: list[Place] = []
        self._held, self._lock = 0, threading.RLock()  # memory may be freed while this thread asks for more

    def take(self) -> "Place":
        """A place, until it is given back."""
        try:
            return self._idle.pop()
        except IndexError:
            return Place(self)

    def give_back(self, place: "Place") -> None:
        """Nobody reads or writes it any more."""
        self._idle.append(place)

    def memory(self, size: int) -> NDArray[np.uint8] | None:
        """So many bytes, which go back to the driver once nobody holds a part of them; None if it gives none."""
        with self._lock:
            if self._runtime is None or self._held + size > _MOST:
                return None
            at = ctypes.c_void_p()
            if self._runtime.cudaMallocHost(ctypes.byref(at), ctypes.c_size_t(size)) or at.value is None:
                cuda.forget(self._runtime)
                self._runtime = None
                return None
            self._held += size
        memory = (ctypes.c_uint8 * size).from_address(at.value)
        freed = weakref.finalize(memory, self._free, self._runtime, at, size)
        freed.atexit = False  # then all of it goes back
        return np.ctypeslib.as_array(memory)

    def _free(self, runtime: Any, at: ctypes.c_void_p, size: int) -> None:
        runtime.cudaFreeHost(at)
        with self._lock:
            self._held -= size


class Place:
    """Room for one picture, which grows."""

    def __init__(self, pinned: Pinned) -> None:
        self._pinned, self._memory = pinned, np.empty(0, np.uint8)

    def room(self, size: int) -> NDArray[np.uint8] | None:
        """At least so many bytes, until the next call; None if there is no place so large."""
        if self._memory.nbytes < size <= _LARGEST:
            grown = self._pinned.memory(min(2 * size, _LARGEST))
            self._memory = self._memory if grown is None else grown
        return self._memory if self._memory.nbytes >= size else None
