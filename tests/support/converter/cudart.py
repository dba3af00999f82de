"""A stand-in for CUDA's runtime, whose GPU is the CPU."""

import ctypes
from typing import Any


class Runtime:
    """Its calls take what CUDA's take; all memory is the CPU's, as long as there is some."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.given: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.freed: list[int] = []
        self.copied: list[int] = []  # bytes
        self.flags = self.last_error = 0

    def cudaSetDeviceFlags(self, flags: int) -> int:
        self.flags = flags
        return 0

    def cudaMemcpyAsync(
        self, to: ctypes.c_void_p, source: ctypes.c_void_p, size: ctypes.c_size_t, direction: int, stream: Any
    ) -> int:
        assert direction == 4, "CUDA finds out whose memory it is"
        if size.value > self.most:
            self.last_error = 1
            return 1
        ctypes.memmove(to, source, size.value)
        self.copied.append(size.value)
        return 0

    def cudaStreamSynchronize(self, stream: Any) -> int:
        return 0

    def cudaMallocHost(self, place: "ctypes._Pointer[ctypes.c_void_p]", size: ctypes.c_size_t) -> int:
        if size.value > self.most:
            self.last_error = 2
            return 2
        made = ctypes.create_string_buffer(size.value)
        self.given[ctypes.addressof(made)] = made
        ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(made)
        return 0

    def cudaGetLastError(self) -> int:
        found, self.last_error = self.last_error, 0
        return found

    def cudaFreeHost(self, place: ctypes.c_void_p) -> int:
        self.freed.append(place.value or 0)
        return 0
