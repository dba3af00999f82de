"""Batches of a network's inputs and outputs on a device, where they stay."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

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


class Rows:
    """A batch of one input on the device, written picture by picture or as a whole."""

    def __init__(self, name: str, shape: Sequence[int], kind: Any, device: str) -> None:
        self.name, self.shape, self.kind = name, tuple(shape), np.dtype(kind)
        self.value = place(shape, kind, device)
        self._device, self._row_bytes = device, int(np.prod(shape[1:], dtype=np.int64)) * self.kind.itemsize

    def fill(self, values: "NDArray[Any] | Rows") -> None:
        """Write all of it: values of the CPU, or other rows of this shape."""
        if isinstance(values, Rows):
            self.value.update_inplace(values.value)
        else:
            self.value.update_inplace(np.ascontiguousarray(values, self.kind))

    def bind(self, binding: Any, row: int) -> None:
        """Have a session write its output of this name into one row."""
        at = self.value.data_ptr() + row * self._row_bytes
        binding.bind_output(self.name, self._device, 0, self.kind.type, self.shape[1:], at)


def room(tensor: Any, device: str) -> OrtValue | None:
    """Where an output of a session is written each time, or None if its size is known only afterwards."""
    if tensor.type in KINDS and all(isinstance(side, int) for side in tensor.shape):
        return place(tensor.shape, KINDS[tensor.type], device)
    return None


def place(shape: Sequence[int], kind: Any, device: str) -> OrtValue:
    """Memory of the device."""
    return OrtValue.ortvalue_from_shape_and_type(list(shape), kind, device, 0)
