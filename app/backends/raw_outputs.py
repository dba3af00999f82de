"""All outputs of a batch on the pipe: their types and shapes in the header, their numbers one array after the other."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.model.detections import Detections

_TEXT = "O"  # numpy's kind of arrays of bytes


def pack(detections: Sequence[Detections]) -> tuple[dict[str, Any], bytes]:
    """Header fields and payload; both empty where nobody asked for outputs."""
    first = detections[0].raw
    if first is None:
        return {}, b""
    stacked = {name: np.stack([(each.raw or {})[name] for each in detections]) for name in sorted(first)}
    told = {name: _told(array) for name, array in stacked.items()}
    return {"raw": told}, b"".join(array.tobytes() for array in stacked.values() if array.dtype.kind != _TEXT)


def unpack(header: Mapping[str, Any], payload: bytes, at: int) -> list[dict[str, NDArray[Any]]]:
    """What `pack` made, by picture; `at`: where it begins."""
    whole: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape, texts) in header.get("raw", {}).items():
        if dtype == _TEXT:
            flat: NDArray[Any] = np.array([base64.b64decode(text) for text in texts], object)
        else:
            flat = np.frombuffer(payload, dtype, int(np.prod(shape)), at)
            at += flat.nbytes
        whole[name] = flat.reshape(shape)
    count = len(next(iter(whole.values()))) if whole else 0
    return [{name: array[number] for name, array in whole.items()} for number in range(count)]


def _told(array: NDArray[Any]) -> tuple[str, Sequence[int], Sequence[str]]:
    if array.dtype.kind != _TEXT:
        return array.dtype.str, array.shape, ()
    return _TEXT, array.shape, [base64.b64encode(bytes(text)).decode() for text in array.ravel()]
