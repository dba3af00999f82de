"""The wire: what requests and answers look like in JSON."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Corners(BaseModel):
    """`xyxy` in pixels of the picture as the model saw it; `xyxy_norm` and `yxyx_norm` in fractions of it."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class CornerAndSize(BaseModel):
    """`xywh`: the left upper corner and the size, in pixels."""

    x: float
    y: float
    width: float
    height: float


class CentreAndSize(BaseModel):
    """`cxcywh`: the centre and the size, in pixels."""

    cx: float
    cy: float
    width: float
    height: float


class Detection(BaseModel):
    """One object."""

    class_id: int = Field(description="The model's own id of the class.")
    label: str = Field(description="The name of the class, or `class <id>` where the model has none.")
    score: float = Field(description="0 to 1.")
    box: Corners | CornerAndSize | CentreAndSize


class Picture(BaseModel):
    """A picture's size in pixels as the model saw it; boxes refer to that."""

    width: int
    height: int
    orientation: int | None = Field(
        description="The EXIF orientation that the file declares, 1 to 8. Null if it declares none."
    )
    applied_orientation: int = Field(
        description="The orientation by which the picture was turned before the model saw it. 1: it is as stored."
    )
    encoded_quality: int | None = Field(
        default=None,
        description="The quality with which a turned picture was encoded again, for a model that takes JPEG files. "
        "Left out otherwise.",
    )


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Timing(BaseModel):
    """Milliseconds."""

    queue: float = Field(description="Waiting for a batch.")
    infer: float = Field(description="From handing the batch to the model to its outputs, decoding included.")
    decode: float = Field(
        default=0, description="The part of `infer` that decoding took; left out where the model's graph decodes."
    )
    total: float = Field(description="From the body's last byte to this answer.")


class CopyAnswer(BaseModel):
    """With `backend=both`: what the copy found in the same picture, or why it has no answer."""

    backend: str | None = None
    detections: list[Detection] | None = None
    count: int | None = None
    batch_size: int | None = None
    timing_ms: Timing | None = None
    annotated: str | None = None
    error: str | None = None
    code: str | None = None
    status: int | None = None


class BoxPairAnswer(BaseModel):
    """One object by its places in `detections` of native and of `copy`, each counted from 0.

    A place is null where that one has no box of it, or has one that was not asked for: its score is below the
    threshold, or it is beyond `max_detections`. `iou` tells which.
    """

    kind: Literal["matched", "class_flip", "missing", "extra"]
    native: int | None
    copy_place: int | None = Field(alias="copy")
    iou: float | None = Field(description="How far the two boxes overlap, 0 to 1; null if only one has a box.")
    score_diff: float | None = Field(description="How far their scores differ; null if only one has a box.")


class ComparisonAnswer(BaseModel):
    """With `backend=both`: how the copy's answer differs from native's, at the threshold and classes asked for.

    Boxes within 0.05 of the threshold don't count.
    """

    copy_name: str = Field(alias="copy", description="The copy's name.")
    native_ms: float = Field(description="Native's `infer`.")
    copy_ms: float
    agree: bool
    matched: int
    missing: int = Field(description="Boxes that only native has.")
    extra: int = Field(description="Boxes that only the copy has.")
    class_flips: int = Field(description="Boxes in the same place with another class.")
    mean_iou: float | None = Field(description="Of the matched boxes; null if there are none.")
    largest_score_diff: float | None
    reason: str = Field(description="The limits that are missed; empty if the two agree.")
    pairs: list[BoxPairAnswer] = Field(
        description="What is counted, box by box. Boxes that are in no pair are too near the threshold to count."
    )


class PictureAnswer(BaseModel):
    """What was found in one picture, best first."""

    backend: str
    image: Picture
    detections: list[Detection]
    count: int
    batch_size: int = Field(description="Pictures that shared the call of the model.")
    timing_ms: Timing
    annotated: str | None = Field(default=None, description="With `annotate`: the picture with boxes, as a data URI.")
    copy_answer: CopyAnswer | None = Field(default=None, alias="copy", description="Only with `backend=both`.")
    comparison: ComparisonAnswer | None = Field(default=None, description="Only with `backend=both`.")


class DetectAnswer(PictureAnswer):
    """The answer to one picture."""

    id: str = Field(description="The request's id, also in `X-Request-Id`.")
    model: ModelName


class GoodPicture(PictureAnswer):
    """One of several pictures, answered."""

    status: Literal[200]
    file: str | None = Field(default=None, description="The file's name, where a form gave it.")


class FailedPicture(BaseModel):
    """One of several pictures, without an answer; the others have theirs."""

    status: int
    error: str
    code: str
    file: str | None = Field(default=None, description="The file's name, where a form gave it.")


class SeveralAnswer(BaseModel):
    """The answer to several pictures, in their order. At least one has detections, else it is an `ErrorAnswer`."""

    id: str
    model: ModelName
    results: list[GoodPicture | FailedPicture]


class ErrorAnswer(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "the body is empty", "code": "bad_request", "request_id": "9f1c2a"}]}
    )

    error: str = Field(description="One sentence that names the thing and the limit.")
    code: str = Field(description="A stable word for programs.")
    request_id: str
    results: list[FailedPicture] | None = Field(
        default=None, description="If there were several pictures and none has an answer: what happened to each."
    )
    id: str | None = Field(default=None, description="With `results`: the request's id.")
    model: ModelName | None = Field(default=None, description="With `results`: the model that is served.")


class SampleAnswer(BaseModel):
    """A packaged photo; its file is at `/samples/<name>`."""

    name: str
    width: int
    height: int
