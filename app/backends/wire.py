"""The pipe between the server and a worker: a JSON header with the sizes of what follows it, then the bytes.

Both ends are this program; the header is JSON and the payload raw arrays, so nothing a worker sends is executed.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.model.detections import Detections

PREFIX = struct.Struct("!II")  # bytes of the header, bytes of the payload
_JSON = json.JSONEncoder(separators=(",", ":"))
_ROW = 6  # left, top, right, bottom, score, class


def frame(header: dict[str, Any], payload: Sequence[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """The pieces of a message, to be written one after the other."""
    head = _JSON.encode(header).encode()
    size = sum(len(part) for part in payload)
    return [PREFIX.pack(len(head), size) + head, *payload]


def pack(detections: Sequence[Detections]) -> tuple[dict[str, Any], bytes]:
    """Header fields and payload for the answers of one batch."""
    rows = np.concatenate(
        [np.column_stack([d.boxes, d.scores, d.classes]).astype(np.float32).reshape(-1, _ROW) for d in detections]
    )
    fields = {"counts": [len(d) for d in detections], "dropped": [d.dropped for d in detections]}
    return {**fields, "decode_s": detections[0].decode_s}, rows.tobytes()


def unpack(header: dict[str, Any], payload: bytes, *, version: str = "") -> list[Detections]:
    """The answers that `pack` made; `version`: of the model that was asked."""
    rows: NDArray[np.float32] = np.frombuffer(payload, np.float32).reshape(-1, _ROW)
    answers, end = [], 0
    for count, dropped in zip(header["counts"], header["dropped"], strict=True):
        part, end = rows[end : end + count], end + count
        classes = part[:, 5].astype(np.int32)
        answers.append(Detections(part[:, :4], part[:, 4], classes, dropped, version, header["decode_s"]))
    return answers
