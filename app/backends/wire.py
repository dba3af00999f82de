"""The pipe between the server and a worker: a JSON header with the sizes of what follows it, then the bytes.

Both ends are this program; the header is JSON and the payload raw arrays, so nothing a worker sends is executed.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backends import raw_outputs
from converter.model.detections import Detections

PREFIX = struct.Struct("!II")  # bytes of the header, bytes of the payload
_JSON = json.JSONEncoder(separators=(",", ":"))
_OF_EACH: Mapping[str, Callable[[Detections], int]] = {
    "counts": len,
    "dropped": lambda found: found.dropped,
    "encoded_again": lambda found: found.encoded_again,
}
_ROW = 6  # left, top, right, bottom, score, class


def frame(header: dict[str, Any], payload: Sequence[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """The pieces of a message, to be written one after the other."""
    return framed(_JSON.encode(header).encode(), payload)


def framed(header: bytes, payload: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """The same for a header that is JSON already."""
    return [PREFIX.pack(len(header), sum(map(len, payload))) + header, *payload]


def pack(detections: Sequence[Detections]) -> tuple[dict[str, Any], bytes]:
    """Header fields and payload for the answers of one batch."""
    rows = np.concatenate(
        [np.column_stack([d.boxes, d.scores, d.classes]).astype(np.float32).reshape(-1, _ROW) for d in detections]
    )
    fields = {name: [of(d) for d in detections] for name, of in _OF_EACH.items()}
    names = {str(kind): name for each in detections for kind, name in each.names.items()}
    outputs, payload = raw_outputs.pack(detections)
    return {**fields, **outputs, "decode_s": detections[0].decode_s, "names": names}, rows.tobytes() + payload


def unpack(header: dict[str, Any], payload: bytes, *, version: str = "") -> list[Detections]:
    """The answers that `pack` made; `version`: of the model that was asked."""
    size = sum(header["counts"])
    rows: NDArray[np.float32] = np.frombuffer(payload, np.float32, size * _ROW).reshape(-1, _ROW)
    outputs = raw_outputs.unpack(header, payload, rows.nbytes)
    answers, end = [], 0
    names = {int(kind): name for kind, name in header["names"].items()}
    boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32)
    for number, (count, dropped, again) in enumerate(zip(*map(header.__getitem__, _OF_EACH), strict=True)):
        part, end = slice(end, end + count), end + count
        answers.append(
            Detections(
                boxes[part],
                scores[part],
                classes[part],
                dropped,
                version=version,
                decode_s=header["decode_s"],
                encoded_again=again,
                names=names,
                raw=outputs[number] if outputs else None,
            )
        )
    return answers
