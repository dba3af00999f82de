"""The wire: what requests and answers look like in JSON."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.jobs import Job
from converter.contract import BadOptions, Options


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
    """A conversion to start; what is left out is as at start-up. All but `target` and `batch_sizes` is TF-TRT's."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"target": "frozen"}]})

    target: Literal["trt", "frozen"] = "trt"
    batch_sizes: list[Annotated[int, Field(le=4096)]] | None = Field(
        default=None, min_length=1, max_length=16, description="Batch sizes that get an engine, are run and compared."
    )
    precision: Literal["FP32", "FP16", "INT8"] | None = Field(
        default=None, description="INT8 is calibrated on the pictures in DETECTOR_CALIBRATION_IMAGES."
    )
    minimum_segment_size: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Fewest operations of an engine."
    )
    workspace_mib: int | None = Field(default=None, ge=1, le=1_000_000, description="Most scratch memory on the GPU.")
    cached_engines: int | None = Field(default=None, ge=1, le=4096, description="Most engines kept for a segment.")
    dynamic_shape: bool | None = Field(default=None, description="False: implicit batch, one engine for each size.")
    profile_strategy: Literal["Optimal", "Range", "Range+Optimal", "ImplicitBatchModeCompatible"] | None = None
    calibration: bool | None = Field(default=None, description="False: the graph has its own quantisation nodes.")
    build_at_run_time: bool | None = Field(default=None, description="May an engine be built inside a request?")
    denylist: list[str] | None = Field(
        default=None, max_length=100, description="Types of operations that stay TensorFlow's, like `Conv2D`."
    )

    def options(self, defaults: Options, calibration_images: Path | None) -> Options:
        """The converter's options; BadOptions if they contradict each other."""
        given = self.model_dump(exclude_none=True)
        if "workspace_mib" in given:
            given["workspace_bytes"] = given.pop("workspace_mib") << 20
        if "batch_sizes" in given:
            given["batch_sizes"] = tuple(sorted(set(given["batch_sizes"])))
        if "denylist" in given:
            given["denylist"] = tuple(sorted(set(given["denylist"])))
        int8 = given.get("precision", defaults.precision) == "INT8"
        if int8 and given.get("calibration", defaults.calibration) and calibration_images is None:
            raise BadOptions("precision: INT8 is calibrated on pictures, and DETECTOR_CALIBRATION_IMAGES has no folder")
        return replace(defaults, **given, images=calibration_images if int8 else None)


class ReloadRequest(BaseModel):
    """What to load again from its folder."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"backend": "frozen"}]})

    backend: Literal["trt", "frozen"]


class JobAnswer(BaseModel):
    """A conversion job as it stands."""

    id: str
    target: str
    options: dict[str, Any] = Field(description="All of them, as the converter got them.")
    state: str = Field(description="running, loading, succeeded, unavailable, refused, failed or cancelled.")
    reason: str = ""
    step: str = Field(description="What it is doing, or did last.")
    doing: str = Field(description="The same in words.")
    progress: float = Field(description="0 to 1: steps that are done, and the share of the present one.")
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
            options=asdict(job.options),
            state=job.state,
            reason=job.reason,
            step=job.step,
            doing=job.doing,
            progress=job.progress,
            seconds=job.seconds,
            created=job.created,
            finished=job.finished,
            log=list(job.log),
            report=job.report,
        )
