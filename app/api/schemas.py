"""The wire: what requests and answers look like in JSON."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.conversion import Job
from app.service import Result
from converter.contract import Options

BackendName = Literal["auto", "native", "trt", "frozen"]


class Box(BaseModel):
    """Corners in pixels of the picture as stored (a declared EXIF orientation is not applied)."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class Detection(BaseModel):
    """One object."""

    class_id: int = Field(description="The model's own id of the class.")
    label: str = Field(description="The class' name, or `class <id>` where the model has none.")
    score: float = Field(description="0 to 1.")
    box: Box


class Size(BaseModel):
    """The picture's size in pixels."""

    width: int
    height: int


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Timing(BaseModel):
    """Milliseconds."""

    queue: float = Field(description="Waiting for a batch.")
    infer: float = Field(description="From handing the batch to the model to its outputs, decoding included.")
    total: float = Field(description="From the body's last byte to this answer.")


class DetectAnswer(BaseModel):
    """What was found in one picture, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "9f1c2a",
                    "model": {"name": "yolox_nano", "version": "1"},
                    "backend": "native",
                    "image": {"width": 768, "height": 576},
                    "detections": [
                        {
                            "class_id": 18,
                            "label": "dog",
                            "score": 0.792,
                            "box": {"xmin": 131.2, "ymin": 220.4, "xmax": 309.8, "ymax": 541.0},
                        }
                    ],
                    "count": 1,
                    "batch_size": 1,
                    "timing_ms": {"queue": 0.1, "infer": 24.8, "total": 25.6},
                }
            ]
        }
    )

    id: str = Field(description="The request's id, also in `X-Request-Id`.")
    model: ModelName
    backend: str
    image: Size
    detections: list[Detection]
    count: int
    batch_size: int = Field(description="Pictures that shared the call of the model.")
    timing_ms: Timing


class ErrorAnswer(BaseModel):
    """The body of every error."""

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


def detections(result: Result, labels: Mapping[int, str]) -> list[dict[str, Any]]:
    """The objects of a result as `Detection` has them; pixels to a hundredth, scores to five digits.

    Plain dicts, since this runs for every request: a test holds them against the schema.
    """
    found = result.detections
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [
        {
            "class_id": class_id,
            "label": labels.get(class_id, f"class {class_id}"),
            "score": round(score, 5),
            "box": {"xmin": round(xmin, 2), "ymin": round(ymin, 2), "xmax": round(xmax, 2), "ymax": round(ymax, 2)},
        }
        for (xmin, ymin, xmax, ymax), score, class_id in rows
    ]
