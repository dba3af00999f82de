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

LARGEST = 16 << 20  # bytes of a picture that it is used for: such memory can't be swapped out
_MOST = 512 << 20  # bytes of one `Pinned`


class Pinned:
    """Such memory, and places for pictures in it, which are filled again and again. `runtime`: CUDA's, or None."""

    def __init__(self, runtime: Any) -> None:
        self._budget = _Budget(runtime)
        self._idle: list[Place] = []

    def take(self) -> "Place":
        """A place, until it is given back."""
        try:
            return self._idle.pop()
        except IndexError:
            return Place(self)

    def give_back(self, place: "Place") -> None:
        """Nobody reads or writes it any more."""
        self._idle.append(place)

    def close(self) -> None:
        """Let idle places go."""
        self._idle.clear()

    def memory(self, size: int) -> NDArray[np.uint8] | None:
        """So many bytes, which go back to the driver once nobody holds a part of them; None if it gives none."""
        address = self._budget.take(size)
        if address is None:
            return None
        memory = (ctypes.c_uint8 * size).from_address(address)
        freed = weakref.finalize(memory, self._budget.give_back, address, size)
        freed.atexit = False  # then all of it goes back
        return np.ctypeslib.as_array(memory)


class _Budget:
    """What the driver has given. It holds no memory itself: that would never go back."""

    def __init__(self, runtime: Any) -> None:
        self._runtime, self._refused = runtime, runtime is None
        self._held, self._lock = 0, threading.RLock()  # memory may be freed while this thread asks for more

    def take(self, size: int) -> int | None:
        with self._lock:
            if self._refused or self._held + size > _MOST:
                return None
            at = ctypes.c_void_p()
            if self._runtime.cudaMallocHost(ctypes.byref(at), ctypes.c_size_t(size)) or at.value is None:
                cuda.forget(self._runtime)
                self._refused = True
                return None
            self._held += size
            return at.value

    def give_back(self, address: int, size: int) -> None:
        self._runtime.cudaFreeHost(ctypes.c_void_p(address))
        with self._lock:
            self._held -= size


class Place:
    """Room for one picture, which grows."""

    def __init__(self, pinned: Pinned) -> None:
        self._pinned, self._memory = pinned, np.empty(0, np.uint8)

    def room(self, size: int) -> NDArray[np.uint8] | None:
        """At least so many bytes, until the next call; None if there is no place so large."""
        if self._memory.nbytes < size <= LARGEST:
            grown = self._pinned.memory(min(2 * size, LARGEST))
            self._memory = self._memory if grown is None else grown
        return self._memory if self._memory.nbytes >= size else None
