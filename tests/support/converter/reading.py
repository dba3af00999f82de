"""The outputs of a model of the object detection API, read as the converter and the server do it."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from converter.description import Description, Input
from converter.model.box_forms import read
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES, Detections
from converter.model.placing import Placed

DESCRIPTION = Description(
    input=Input(name="jpegs"), outputs={name: name for name in (BOXES, SCORES, CLASSES, COUNT)}, boxes="yxyx_norm"
)


def from_outputs(outputs: Mapping[str, NDArray[Any]], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
    """Of each picture of this width and height; pictures beyond them are padding."""
    return read(outputs, DESCRIPTION, [Placed(size, size) for size in sizes])
