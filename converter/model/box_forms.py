"""A model's outputs, of every kind that is known, as Detections: its boxes by the reading that they have."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.description import Description
from converter.model.detections import Detections, finished
from converter.model.found import Found, Outputs, found
from converter.model.placing import Placed
from converter.reading import CORNER, SCALED, SHARES, Reading

Boxes = NDArray[np.float64]  # (n, 4)


def read(outputs: Outputs, description: Description, placed: Sequence[Placed]) -> list[Detections]:
    """The outputs of one batch, split by picture, in pixels of the pictures as sent; rows beyond `placed` are padding.

    `outputs` has the tensors by their own names: boxes (N, M, 4), scores and classes (N, M), counts (N,), or rows
    (N, M, 6 or 7) of a box, a score, a class and maybe the number of the picture.
    """
    reading = Reading.parse(description.boxes)
    each = [found(outputs, description, number) for number in range(len(placed))]
    return [
        replace(finished(corners(one, reading, where), one.scores, one.classes, where.size), names=one.named())
        for one, where in zip(each, placed, strict=True)
    ]


def corners(rows: Found, reading: Reading, placed: Placed) -> Boxes:
    """Left, top, right and bottom of boxes (n, 4), in pixels of the picture as sent; not cut off at its edges."""
    boxes = ordered(rows.boxes.astype(np.float64), reading.order)
    if reading.unit == SCALED and rows.info is not None:
        boxes = _unscaled(boxes, rows.info)
    given = _given(boxes, reading, np.array(placed.given, np.float64))
    sent: Boxes = (given - np.tile(placed.at, 2)) / np.tile(placed.scale, 2)
    return sent


def ordered(boxes: NDArray[Any], order: str) -> NDArray[Any]:
    """Left, top, right and bottom of boxes (n, 4) in one of `converter.reading.ORDERS`."""
    if order == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if order == "xyxy":
        return boxes
    begin = boxes[:, :2] - (boxes[:, 2:] / 2 if order == "cxcywh" else 0)
    return np.concatenate([begin, begin + boxes[:, 2:]], axis=1)


def _given(boxes: Boxes, reading: Reading, given: NDArray[np.float64]) -> Boxes:
    """Boxes (n, 4) in pixels of what the model was given, whose width and height are `given`."""
    if reading.pad:
        return _unpadded(boxes, reading, given)
    whole = np.array(reading.inner or (1, 1)) if reading.inner or reading.unit == SHARES else given
    stretched: Boxes = boxes * np.tile(given / whole, 2)
    return stretched


def _unpadded(boxes: Boxes, reading: Reading, given: NDArray[np.float64]) -> Boxes:
    inner = np.array(reading.inner or (1, 1), np.float64)
    factor = (inner / given).min()
    before = np.zeros(2) if reading.pad == CORNER else (inner - given * factor) / 2
    pixels = boxes * (np.tile(inner, 2) if reading.unit == SHARES else 1)
    unpadded: Boxes = (pixels - np.tile(before, 2)) / factor
    return unpadded


def _unscaled(boxes: Boxes, info: NDArray[np.float32]) -> Boxes:
    """Pixels before the graph's own scaling, from its `image_info` in either of its forms.

    (4, 2): heights and widths of the picture and of the scaled one, the scale and the offset, in y and x each
    (tensorflow/tpu, models/official/detection/utils/input_utils.py); (5,): the scaled height and width, the factor
    back to the picture, its height and width.
    """
    if info.ndim == 1:
        return boxes * float(info[2])
    scale, offset = info[2, ::-1].astype(np.float64), info[3, ::-1].astype(np.float64)
    return (boxes + np.tile(offset, 2)) / np.tile(scale, 2)
