"""Batches of a network's inputs and outputs on a device, where they stay."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.model.device import KINDS, Device, OrtValue
from converter.model.pinned import LARGEST


class Rows:
    """A batch of one input on the device, written picture by picture or as a whole."""

    def __init__(self, name: str, shape: Sequence[int], kind: Any, device: Device) -> None:
        self.name, self.shape, self.kind = name, tuple(shape), np.dtype(kind)
        self.value = device.place(shape, kind)
        self._device, self._row_bytes = device, int(np.prod(shape[1:], dtype=np.int64)) * self.kind.itemsize

    def fill(self, values: "NDArray[Any] | Rows") -> None:
        """Write all of it: values of the CPU, or other rows. ValueError if they have another shape."""
        if tuple(values.shape) != self.shape:
            raise ValueError(f"{self.name!r} has the shape {tuple(values.shape)}, and {self.shape} is expected")
        if isinstance(values, Rows):
            self._device.move(values.value, self.value)
        else:
            self._device.write(np.ascontiguousarray(values, self.kind), self.value.data_ptr())

    def bind(self, binding: Any, row: int) -> None:
        """Have a session write its output of this name into one row."""
        at = self.value.data_ptr() + row * self._row_bytes
        binding.bind_output(self.name, self._device.name, 0, self.kind.type, self.shape[1:], at)


class Batch:
    """Rows of each input, and room for the picture that is being prepared into one of them."""

    def __init__(self, rows: Sequence[Rows], device: Device) -> None:
        self.rows = {each.name: each for each in rows}
        self._device, self._room = device, device.place((0,), np.uint8)

    def bind(self, binding: Any, row: int, name: str, pixels: NDArray[np.uint8]) -> None:
        """Have a session read these pixels as its input `name` and write one row; they are copied here and now."""
        pixels = np.ascontiguousarray(pixels)
        if pixels.nbytes > LARGEST:
            binding.bind_cpu_input(name, pixels)  # in memory of the session, which has a limit
        else:
            at = self._place(pixels.nbytes).data_ptr()
            self._device.write(pixels, at)
            binding.bind_input(name, self._device.name, 0, np.uint8, pixels.shape, at)
        for rows in self.rows.values():
            rows.bind(binding, row)

    def _place(self, size: int) -> OrtValue:
        if self._room.tensor_size_in_bytes() < size:
            self._room = self._device.place((min(2 * size, LARGEST),), np.uint8)
        return self._room


def room(tensor: Any, device: Device) -> OrtValue | None:
    """Where an output of a session is written each time, or None if its size is known only afterwards."""
    if tensor.type in KINDS and all(isinstance(side, int) for side in tensor.shape):
        return device.place(tensor.shape, KINDS[tensor.type])
    return None
