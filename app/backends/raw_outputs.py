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
    return {"raw": {name: _told(array) for name, array in stacked.items()}}, b"".join(map(_bytes, stacked.values()))


def unpack(header: Mapping[str, Any], payload: bytes, at: int) -> list[dict[str, NDArray[Any]]]:
    """What `pack` made, by picture; `at`: where it begins. ValueError if that is not all that is there."""
    whole: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape, texts) in header.get("raw", {}).items():
        if dtype == _TEXT:
            whole[name] = np.array(list(map(base64.b64decode, texts)), object).reshape(shape)
        else:
            whole[name] = np.frombuffer(payload, dtype, int(np.prod(shape)), at).reshape(shape)
            at += whole[name].nbytes
    if at != len(payload):
        raise ValueError(f"the payload has {len(payload)} bytes; its header tells of {at}")
    count = len(next(iter(whole.values()))) if whole else 0
    return [{name: array[number, ...] for name, array in whole.items()} for number in range(count)]


def _bytes(array: NDArray[Any]) -> bytes:
    return b"" if array.dtype.kind == _TEXT else array.tobytes()


def _told(array: NDArray[Any]) -> tuple[str, Sequence[int], Sequence[str]]:
    if array.dtype.kind != _TEXT:
        return array.dtype.str, array.shape, ()
    return _TEXT, array.shape, [base64.b64encode(bytes(text)).decode() for text in array.ravel()]
