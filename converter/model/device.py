"""Memory of the device that a network runs on, and copies between it and the CPU.

ONNX Runtime's own copies hold Python's lock until they are done, and put what they read into new pages: a third of the
time nothing else of a worker ran. The bundled model gave 662 pictures a second over HTTP so, and 1,097 without (ONNX
Runtime 1.31.1 on an H200).
"""

import ctypes
import weakref
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from converter.model import cuda, providers
from converter.model.pinned import Pinned

OrtValue: TypeAlias = onnxruntime.OrtValue
KINDS: dict[str, Any] = {
    f"tensor({name})": kind
    for name, kind in {
        "float": np.float32,
        "float16": np.float16,
        "double": np.float64,
        "uint8": np.uint8,
        "int8": np.int8,
        "int32": np.int32,
        "int64": np.int64,
        "bool": np.bool_,
    }.items()
}


class Device:
    """`name` as ONNX Runtime calls it, cuda or cpu. ImportError for the first where CUDA's runtime does not work."""

    def __init__(self, name: str) -> None:
        self.name, runtime = name, None
        if self.is_gpu:
            providers.preload()
            runtime = cuda.runtime()
            cuda.begin(runtime)
        self._copy = partial(cuda.copy, runtime) if runtime else ctypes.memmove
        self.pinned, self._results = Pinned(runtime), Pinned(runtime)
        self._idle = defaultdict[int, list[NDArray[np.uint8]]](list)  # of the results' memory, by size in bytes

    @property
    def is_gpu(self) -> bool:
        """Whether it has memory of its own."""
        return self.name == "cuda"

    def place(self, shape: Sequence[int], kind: Any) -> OrtValue:
        """Memory for an array."""
        return OrtValue.ortvalue_from_shape_and_type(list(shape), kind, self.name, 0)

    def write(self, values: NDArray[Any], at: int) -> None:
        """Copy an array to an address of the device."""
        self._copy(at, values.ctypes.data, values.nbytes)

    def move(self, source: OrtValue, to: OrtValue) -> None:
        """Copy what is in one place to another of its size."""
        self._copy(to.data_ptr(), source.data_ptr(), source.tensor_size_in_bytes())

    def read(self, value: OrtValue) -> NDArray[Any]:
        """What is in a place now; its memory is used for others once nobody holds a part of it."""
        memory = self._room(value.tensor_size_in_bytes())
        self._copy(memory.ctypes.data, value.data_ptr(), memory.nbytes)
        found: NDArray[Any] = memory.view(KINDS[value.data_type()]).reshape(value.shape())
        return found

    def close(self) -> None:
        """Let memory go that nobody holds."""
        self.pinned.close()
        self._idle.clear()

    def _room(self, size: int) -> NDArray[np.uint8]:
        idle = self._idle[size]
        try:
            memory = idle.pop()
        except IndexError:
            pinned = self._results.memory(size) if size else None
            if pinned is None:
                return np.empty(size, np.uint8)
            memory = pinned
        lent = (ctypes.c_uint8 * size).from_address(memory.ctypes.data)
        weakref.finalize(lent, idle.append, memory).atexit = False
        return np.ctypeslib.as_array(lent)
