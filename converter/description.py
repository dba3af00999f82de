"""What a model takes and gives, as plain data: read from its signature, from what it finds in photos, or declared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from converter import stored
from converter.outputs import parse_roles
from converter.reading import Reading

DESCRIPTION_NAME = "description.json"
OWN_WORDS = "assets.extra/detector.json"  # in a SavedModel's folder: what it says of itself
SERVING = "serving_default"
JPEG, UINT8, FLOAT32, FLOAT16 = "jpeg", "uint8", "float32", "float16"  # kinds of inputs
# Kinds of outputs.
API, TPU, KERAS = "object detection API", "TPU", "Keras"
ROWS_OF_SIX, ROWS_OF_SEVEN, COLUMNS = "rows of six", "rows of seven", "boxes, scores and classes"
RAW = "network's head"  # before NMS
AFTER_NMS = "xyxy"  # the order of its boxes when NMS has been done
KINDS = (API, TPU, KERAS, ROWS_OF_SIX, ROWS_OF_SEVEN, COLUMNS, RAW)
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
MOST_BOXES = 1000  # of a picture, that can be asked for
FITS = ("stretch", "pad", "pad-centre")


@dataclass(frozen=True, slots=True)
class Layout:
    """What the numbers of a row are, by their places."""

    box: int  # the first of four
    score: int
    kind: int  # the class
    image: int | None = None  # the picture's number


# tensorflow/tpu writes rows of [image, y, x, y, x, score, class] (models/official/detection) or [image, x, y, width,
# height, score, class] (models/official/retinanet/anchors.py, _generate_detections). YOLO's exporters with NMS inside
# write [x, y, x, y, score, class], those that keep the picture's number [image, x, y, x, y, class, score].
LAYOUTS: Mapping[str, Layout] = {
    TPU: Layout(box=1, score=5, kind=6, image=0),
    ROWS_OF_SEVEN: Layout(box=1, score=6, kind=5, image=0),
    ROWS_OF_SIX: Layout(box=0, score=4, kind=5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a person declares of a model that can't be read from it; None: nothing."""

    signature: str | None = None
    input_scale: str | None = None  # one of SCALES
    input_fit: str | None = None  # one of FITS
    boxes: str | None = None  # see converter.reading
    outputs: str | None = None  # what they are, like boxes=output_0: see converter.outputs
    nms_iou: float | None = None  # of a head before NMS: most overlap of two boxes of one class
    nms_count: int | None = None  # of a head before NMS: most boxes of a picture

    def problem(self) -> str | None:
        """The sentence that says which of these can't be, or None."""
        choices: tuple[tuple[str | None, Sequence[str]], ...] = (
            (self.input_scale, tuple(SCALES)),
            (self.input_fit, FITS),
        )
        wrong = [
            f"{value!r} is not one of {', '.join(known)}" for value, known in choices if value not in (None, *known)
        ]
        wrong += [*_problems(Reading.parse, self.boxes), *_problems(parse_roles, self.outputs)]
        wrong += [*_outside("nms_iou", self.nms_iou, 1), *_outside("nms_count", self.nms_count, MOST_BOXES)]
        return next(iter(wrong), None)

    def given(self) -> dict[str, Any]:
        """Those that are declared, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _problems(parse: Callable[[str], Any], text: str | None) -> list[str]:
    """What this says of a text that it can't read."""
    try:
        if text is not None:
            parse(text)
    except ValueError as error:
        return [str(error)]
    return []


def _outside(name: str, value: float | None, most: int) -> list[str]:
    """What is said of a number that is not within 0 and this."""
    return [] if value is None or 0 < value <= most else [f"{name} is {value}: it must be above 0, and {most} at most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The one input of a signature: JPEG files (N,), or pictures (N, height, width, 3)."""

    name: str
    kind: str = JPEG  # or UINT8, FLOAT32, FLOAT16
    batch: int | None = None  # pictures in a call; None: any number
    height: int | None = None  # pixels; None: any
    width: int | None = None
    scale: str | None = None  # of FLOAT32 and FLOAT16, one of SCALES
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
    convention: str = API  # one of KINDS
    outputs: Mapping[str, str]  # what is read of it -> the names of the tensors
    unbatched: bool = False  # whether the outputs are of one picture, without a side for the batch
    ignored: tuple[str, ...] = ()  # names of the other outputs
    boxes: str = ""  # see converter.reading
    evidence: str = ""  # how that is known
    tried: bool = False  # whether it has been run on photos, which settles what its outputs are
    score_columns: int | None = None  # of an output with scores of every class, the background perhaps among them
    notes: tuple[str, ...] = field(default=())  # nothing writes any; copies made before have the name in their files

    @property
    def settled(self) -> bool:
        """Whether all is known without running it on photos, or again: a copy has what was found of its source."""
        told_by_numbers = self.convention in (TPU, ROWS_OF_SIX, ROWS_OF_SEVEN, COLUMNS)
        return self.has_reading and (self.tried or not told_by_numbers)

    @property
    def has_reading(self) -> bool:
        """Whether it is known what its boxes mean."""
        return bool(self.boxes) and not Reading.parse(self.boxes).is_open

    def to_json(self) -> str:
        """As indented JSON."""
        return stored.to_json(self, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """What `to_json` wrote; ValueError if it is something else."""
        found = stored.from_json(cls, text, DESCRIPTION_NAME)
        if found.convention not in KINDS:
            raise ValueError(f"{DESCRIPTION_NAME} can't be understood: it has outputs of {found.convention!r}")
        try:
            Reading.parse(found.boxes)
        except ValueError as error:
            raise ValueError(f"{DESCRIPTION_NAME} can't be understood: {error}") from None
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
