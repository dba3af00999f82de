"""A stand-in for CUDA's runtime, whose GPU is the CPU."""

import ctypes
import threading
from typing import Any

import pytest

from converter.model.device import Device

OWN_STREAM = 2  # of each thread


class Runtime:
    """Its calls take what CUDA's take; all memory is the CPU's. `driver`: whether the library has one to work with."""

    def __init__(self, most: int = 1 << 30, *, driver: bool = True) -> None:
        self.most = most  # bytes that it gives at once
        self.broken = False  # whether copies fail
        self.driver = driver
        self.given: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.freed: list[int] = []
        self.copied: list[int] = []  # bytes
        self.flags = self.last_error = 0
        self._threads = threading.local()  # the copies that each has begun

    def cudaSetDeviceFlags(self, flags: int) -> int:
        self.flags = flags
        return self._done(0 if self.driver else 35)

    def cudaFree(self, place: None) -> int:
        return self._done(0 if self.driver else 35)

    def cudaMemcpyAsync(
        self, to: ctypes.c_void_p, source: ctypes.c_void_p, size: ctypes.c_size_t, direction: int, stream: Any
    ) -> int:
        """Only begun: what it writes is not there before its stream is waited for."""
        assert direction == 4, "CUDA finds out whose memory it is"
        assert stream.value == OWN_STREAM, "threads would wait for each other"
        if self.broken:
            return self._done(1)
        self._threads.begun = [*getattr(self._threads, "begun", ()), (to, source, size.value)]
        return 0

    def cudaStreamSynchronize(self, stream: Any) -> int:
        assert stream.value == OWN_STREAM
        for to, source, size in getattr(self._threads, "begun", ()):
            ctypes.memmove(to, source, size)
            self.copied.append(size)
        self._threads.begun = []
        return 0

    def cudaMallocHost(self, place: "ctypes._Pointer[ctypes.c_void_p]", size: ctypes.c_size_t) -> int:
        if size.value > self.most:
            return self._done(2)
        made = ctypes.create_string_buffer(size.value)
        self.given[ctypes.addressof(made)] = made
        ctypes.cast(place, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(made)
        return 0

    def cudaFreeHost(self, place: ctypes.c_void_p) -> int:
        self.freed.append(place.value or 0)
        return 0

    def cudaGetLastError(self) -> int:
        found, self.last_error = self.last_error, 0
        return found

    def _done(self, error: int) -> int:
        self.last_error = error or self.last_error
        return error


def gpu(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A device whose copies this runtime makes; ONNX Runtime computes with its memory as with the CPU's."""
    monkeypatch.setattr("converter.model.cuda.runtime", lambda: runtime)
    device = Device("cuda")
    device.name = "cpu"
    return device
