"""The wire: what requests and answers look like in JSON."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.conversion import Job
from converter.contract import Options


class Corners(BaseModel):
    """`xyxy` in pixels of the picture as stored; `xyxy_norm` and `yxyx_norm` in fractions of it."""

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
    label: str = Field(description="The class' name, or `class <id>` where the model has none.")
    score: float = Field(description="0 to 1.")
    box: Corners | CornerAndSize | CentreAndSize


class Picture(BaseModel):
    """A picture's size in pixels as stored; boxes refer to that."""

    width: int
    height: int
    orientation: int | None = Field(
        description="The EXIF orientation that the file declares, 1 to 8; it is not applied. Null if it declares none."
    )


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Timing(BaseModel):
    """Milliseconds."""

    queue: float = Field(description="Waiting for a batch.")
    infer: float = Field(description="From handing the batch to the model to its outputs, decoding included.")
    total: float = Field(description="From the body's last byte to this answer.")


class PictureAnswer(BaseModel):
    """What was found in one picture, best first."""

    backend: str
    image: Picture
    detections: list[Detection]
    count: int
    batch_size: int = Field(description="Pictures that shared the call of the model.")
    timing_ms: Timing
    annotated: str | None = Field(default=None, description="With `annotate`: the picture with boxes, as a data URI.")


class DetectAnswer(PictureAnswer):
    """The answer to one picture."""

    id: str = Field(description="The request's id, also in `X-Request-Id`.")
    model: ModelName


class GoodPicture(PictureAnswer):
    """One of several pictures, answered."""

    status: Literal[200]


class FailedPicture(BaseModel):
    """One of several pictures, without an answer; the others have theirs."""

    status: int
    error: str
    code: str


class SeveralAnswer(BaseModel):
    """The answer to several pictures, in their order. Its status is 200 if one of them has an answer."""

    id: str
    model: ModelName
    results: list[GoodPicture | FailedPicture]
    error: str | None = Field(default=None, description="If none has an answer: what happened to the first.")
    code: str | None = None
    request_id: str | None = None


class ErrorAnswer(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "the body is empty", "code": "bad_request", "request_id": "9f1c2a"}]}
    )

    error: str = Field(description="One sentence that names the thing and the limit.")
    code: str = Field(description="A stable word for programs.")
    request_id: str


class BackendAnswer(BaseModel):
    """A backend's state and why it has it."""

    state: str
    reason: str = ""
    device: str | None = None
    batch_sizes: list[int] | None = None
    load_seconds: float | None = None
    warm_seconds: float | None = None


class ModelAnswer(BaseModel):
    """What is served."""

    name: str
    version: str
    sha256: str
    signature: dict[str, Any] | None = Field(description="Null until the model is loaded.")
    labels: dict[int, str]
    active: str | None = Field(description="The backend that answers `auto`.")
    backends: dict[str, BackendAnswer]


class ConvertRequest(BaseModel):
    """A conversion to start; what is left out is as at start-up."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"target": "frozen"}]})

    target: Literal["trt", "frozen"] = "trt"
    precision: Literal["FP32", "FP16"] | None = None
    batch_sizes: list[int] | None = Field(default=None, min_length=1, max_length=16)
    minimum_segment_size: int | None = Field(default=None, ge=1)

    def options(self, defaults: Options) -> Options:
        """The converter's options; BadOptions if they contradict each other."""
        return Options(
            target=self.target,
            precision=self.precision or defaults.precision,
            batch_sizes=tuple(sorted(set(self.batch_sizes))) if self.batch_sizes else defaults.batch_sizes,
            minimum_segment_size=self.minimum_segment_size or defaults.minimum_segment_size,
            workspace_bytes=defaults.workspace_bytes,
        )


class JobAnswer(BaseModel):
    """A conversion job as it stands."""

    id: str
    target: str
    precision: str
    batch_sizes: list[int]
    state: str = Field(description="running, loading, succeeded, unavailable, refused, failed or cancelled.")
    reason: str = ""
    step: str = Field(description="What it is doing, or did last.")
    seconds: dict[str, float] = Field(description="By finished step.")
    created: str
    finished: str | None
    log: list[str] = Field(description="The last lines the converter wrote.")
    report: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job) -> "JobAnswer":
        """The answer for `job`."""
        return cls(
            id=job.id,
            target=job.options.target,
            precision=job.options.precision,
            batch_sizes=list(job.options.batch_sizes),
            state=job.state,
            reason=job.reason,
            step=job.step,
            seconds=job.seconds,
            created=job.created,
            finished=job.finished,
            log=list(job.log),
            report=job.report,
        )
