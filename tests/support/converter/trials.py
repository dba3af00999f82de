"""What a perfect detector, whose boxes have a given reading, finds in photos and in changed ones."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.description import KERAS, TPU, Description, Input
from converter.model.changes import ABOVE, LEFT, Change
from converter.model.found import Outputs, found
from converter.model.moving import Seen, Trial
from converter.model.placing import Placed, Size
from converter.outputs import BOXES, CLASSES, COUNT, INFO, ROWS, SCORES
from converter.reading import CENTRE, Reading

SIZES = [(640, 480), (300, 500), (451, 300)]
# Left, top, right, bottom in shares of a picture.
TRUE = np.array([[0.1, 0.2, 0.3, 0.9], [0.5, 0.05, 0.95, 0.4], [0.0, 0.6, 0.6, 1.0], [0.7, 0.7, 0.98, 0.8]])
SCORE, KIND = np.array([0.9, 0.8, 0.7, 0.6]), np.array([18.0, 1.0, 2.0, 3.0])
SCALED = 416
_NAMES = {KERAS: {BOXES: "boxes", SCORES: "confidence", CLASSES: "classes"}, TPU: {ROWS: ROWS, INFO: INFO}}

Writer = Callable[[NDArray[Any], Size], NDArray[Any]]  # boxes in pixels of a picture of this size


def described(convention: str, *, boxes: str = "") -> Description:
    """A model of JPEG files with such outputs."""
    outputs = _NAMES.get(convention, {name: name for name in (BOXES, SCORES, CLASSES, COUNT)})
    return Description(input=Input(name="x"), convention=convention, outputs=outputs, boxes=boxes)


def info(size: Size) -> Any:
    """The image_info of a picture that is scaled to SCALED pixels."""
    whole = np.array(size[::-1], np.float32)
    scaled = np.round(whole * SCALED / whole.max())
    return np.stack([whole, scaled, scaled / whole, np.zeros(2)]).astype(np.float32)


def written(reading: str, boxes: NDArray[Any], size: Size) -> NDArray[Any]:
    """Corners (n, 4) in pixels of a picture of this size, as a model of this reading gives them."""
    how, given = Reading.parse(reading), np.array(size)
    inner = np.array(how.inner or (1, 1))
    factor, before = np.ones(2), np.zeros(2)
    if how.pad:
        factor = np.full(2, (inner / given).min())
        before = (inner - given * factor) / 2 if how.pad == CENTRE else before
    elif how.unit == "_scaled":
        factor = info(size)[2, ::-1]
    elif how.inner or how.unit:
        factor = inner / given
    left_top, right_bottom = boxes[:, :2] * factor + before, boxes[:, 2:] * factor + before
    if how.order == "yxyx":
        return np.concatenate([left_top[:, ::-1], right_bottom[:, ::-1]], axis=1)
    begin = (left_top + right_bottom) / 2 if how.order == "cxcywh" else left_top
    return np.concatenate([begin, right_bottom if how.order == "xyxy" else right_bottom - left_top], axis=1)


def outputs(convention: str, boxes: NDArray[Any], size: Size, *, rows: int = 4) -> Outputs:
    """The first of these boxes with their scores and classes, as a model gives them."""
    scores, classes = SCORE[:rows], KIND[:rows]
    if convention == TPU:
        table = np.column_stack([np.zeros(rows), boxes[:rows], scores, classes])
        return {ROWS: table[np.newaxis].astype(np.float32), INFO: info(size)[np.newaxis]}
    values = [boxes[np.newaxis, :rows], scores[np.newaxis], classes[np.newaxis], np.array([rows])]
    names = described(convention).outputs.values()
    return {name: value.astype(np.float32) for name, value in zip(names, values, strict=False)}


def trials(description: Description, write: Writer, *, rows: int = 4, sizes: Sequence[Size] = SIZES) -> list[Trial]:
    """What it finds in photos of these sizes, mirrored and padded."""
    return [_trial(description, write, size, rows) for size in sizes]


def _trial(description: Description, write: Writer, size: Size, rows: int) -> Trial:
    true = TRUE * np.tile(size, 2)

    def seen(boxes: NDArray[Any], size: Size) -> Seen:
        given = outputs(description.convention, write(boxes, size), size, rows=rows)
        return Seen(found(given, description, 0), Placed(size, size))

    mirrored = Change("mirrored", mirrored=True)
    padded = Change("padded", left=round(size[0] * LEFT), above=round(size[1] * ABOVE))
    larger = (size[0] + padded.left, size[1] + padded.above)
    changed = [
        (mirrored, seen(mirrored.moved(true, size), size)),
        (padded, seen(padded.moved(true, size), larger)),
    ]
    return Trial(seen(true, size), changed)
