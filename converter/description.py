"""What a model takes and gives, as plain data: read from its signature, from what it finds in photos, or declared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from converter import stored

DESCRIPTION_NAME = "description.json"
SERVING = "serving_default"
JPEG, UINT8, FLOAT32 = "jpeg", "uint8", "float32"  # kinds of inputs
API, TPU, KERAS = "object detection API", "TPU", "Keras"  # kinds of outputs
# What float32 pictures are made of: the values of bytes 0 to 255 are multiplied and shifted, by channel.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..255": ((1.0,) * 3, (0.0,) * 3),
    "0..1": ((1 / 255,) * 3, (0.0,) * 3),
    "-1..1": ((1 / 127.5,) * 3, (-1.0,) * 3),
    "imagenet": (
        tuple(1 / 255 / deviation for deviation in _DEVIATION),
        tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
    ),
}
FITS = ("stretch", "pad")  # to a fixed size: both sides by themselves, or by one factor with grey below and right
# Orders of the four numbers of a box, and what they count: shares of the picture that the model was given, its pixels,
# or pixels of what the graph scaled it to, as its `image_info` tells.
ORDERS, UNITS = ("yxyx", "xyxy", "xywh"), ("", "_norm", "_scaled")
BOXES = tuple(order + unit for order in ORDERS for unit in UNITS)
# The readings that each kind of outputs may have, likelier ones first. tensorflow/tpu writes rows of
# [image, y, x, y, x, score, class] (models/official/detection) or [image, x, y, width, height, score, class]
# (models/official/retinanet/anchors.py, _generate_detections).
READINGS: Mapping[str, tuple[str, ...]] = {
    API: ("yxyx_norm", "yxyx", "yxyx_scaled"),
    TPU: ("yxyx", "yxyx_scaled", "yxyx_norm", "xywh", "xywh_scaled", "xywh_norm"),
    KERAS: ("xyxy", "xyxy_norm", "xywh", "xywh_norm"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a person declares of a model that can't be read from it; None: nothing."""

    signature: str | None = None
    input_scale: str | None = None  # one of SCALES
    input_fit: str | None = None  # one of FITS
    boxes: str | None = None  # one of BOXES

    def given(self) -> dict[str, str]:
        """Those that are declared, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The one input of a signature: JPEG files (N,), or pictures (N, height, width, 3)."""

    name: str
    kind: str = JPEG  # or UINT8, FLOAT32
    batch: int | None = None  # pictures in a call; None: any number
    height: int | None = None  # pixels; None: any
    width: int | None = None
    scale: str | None = None  # of FLOAT32, one of SCALES
    fit: str | None = None  # of a fixed size, one of FITS

    @property
    def decoded_here(self) -> bool:
        """Whether JPEG files become pictures outside of the graph."""
        return self.kind != JPEG

    @property
    def size(self) -> tuple[int, int] | None:
        """The fixed width and height; None where a picture may have any size."""
        return (self.width, self.height) if self.width and self.height else None

    @property
    def single(self) -> bool:
        """Whether pictures can't share a batch since each keeps its own size."""
        return self.decoded_here and self.size is None

    def sentence(self) -> str:
        """The input in words."""
        if self.kind == JPEG:
            return f"{self.name}: JPEG files as strings ({self.batch or 'N'},)"
        shape = f"({self.batch or 'N'}, {self.height or 'height'}, {self.width or 'width'}, 3)"
        return f"{self.name}: {self.kind} pictures {shape}, decoded by the worker{self._how()}"

    def _how(self) -> str:
        scaled = f", scaled to {self.scale}" if self.scale else ""
        fitted = f", fitted by {self.fit}" if self.fit else ""
        return scaled + fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A signature of a detector. `boxes` is empty until `box_forms.infer_box_form` has seen what the model finds."""

    signature: str = SERVING
    input: Input
    convention: str = API  # or TPU, KERAS
    outputs: Mapping[str, str]  # what is read of it -> the names of the tensors
    ignored: tuple[str, ...] = ()  # names of the other outputs
    boxes: str = ""  # one of BOXES
    evidence: str = ""  # how that is known
    score_columns: int | None = None  # of an output with scores of every class, the background perhaps among them
    notes: tuple[str, ...] = field(default=())  # nothing writes any; copies made before have the name in their files

    def to_json(self) -> str:
        """As indented JSON."""
        return stored.to_json(self, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """What `to_json` wrote; ValueError if it is something else."""
        found = stored.from_json(cls, text, DESCRIPTION_NAME)
        if found.boxes not in BOXES or found.convention not in READINGS:
            raise ValueError(f"{DESCRIPTION_NAME} can't be understood: it has boxes {found.boxes!r}")
        return found

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The description that lies in a copy's folder, or None; ValueError if it can't be understood."""
        path = folder / DESCRIPTION_NAME
        return cls.from_json(path.read_bytes()) if path.is_file() else None

    def write(self, folder: Path) -> None:
        """Put it into a copy's folder: the copy is read as its source is."""
        (folder / DESCRIPTION_NAME).write_text(self.to_json() + "\n", encoding="utf-8")


def in_words(description: Description) -> dict[str, Any]:
    """What is told of a description at `/model`."""
    ignored = {"ignored_outputs": list(description.ignored)} if description.ignored else {}
    columns = {} if description.score_columns is None else {"score_columns": description.score_columns}
    return {
        "input": description.input.sentence(),
        "output_kind": description.convention,
        "boxes": description.boxes,
        "boxes_evidence": description.evidence,
        **ignored,
        **columns,
    }
