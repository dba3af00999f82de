"""The wire for admins: conversions, jobs, and who answers."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.discretion import discreet, discreet_in
from app.choices import AutoName, CopyName, ModelName, Precision, Strategy
from app.copies.jobs import Job
from converter.contract import BadOptions, Options
from converter.targets import kind


class ConvertRequest(BaseModel):
    """A conversion to start. What is left out is as in the conversions that the server starts by itself.

    `precision` is for `trt` and `onnx` copies. All options but `target`, `batch_sizes` and `precision` are for `trt`
    copies only.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"target": "frozen"}]})

    target: CopyName = "trt"
    batch_sizes: list[Annotated[int, Field(le=4096)]] | None = Field(
        default=None, min_length=1, max_length=16, description="Batch sizes that get an engine, are run and compared."
    )
    precision: Precision | None = Field(
        default=None, description="INT8 is calibrated on the pictures in DETECTOR_CALIBRATION_IMAGES."
    )
    minimum_segment_size: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Minimum number of operations in an engine."
    )
    workspace_mib: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Maximum scratch memory on the GPU, in MiB."
    )
    cached_engines: int | None = Field(
        default=None, ge=1, le=4096, description="Maximum number of engines that are kept for a segment."
    )
    dynamic_shape: bool | None = Field(
        default=None, description="If false: implicit batch, with an engine for each batch size."
    )
    profile_strategy: Strategy | None = None
    calibration: bool | None = Field(default=None, description="If false: the graph has quantisation nodes of its own.")
    build_at_run_time: bool | None = Field(default=None, description="Whether an engine may be built inside a request.")
    denylist: list[str] | None = Field(
        default=None, max_length=100, description="Types of operations that are left to TensorFlow, like `Conv2D`."
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
        precision = given.get("precision", defaults.precision)
        kind(given.get("target", defaults.target)).check_precision(precision)
        int8 = precision == "INT8"
        if int8 and given.get("calibration", defaults.calibration) and calibration_images is None:
            raise BadOptions("precision: INT8 is calibrated on pictures, and DETECTOR_CALIBRATION_IMAGES has no folder")
        options = replace(defaults, **given, images=calibration_images if int8 else None)
        kind(options.target).check_options(options)
        return options


class AutoRequest(BaseModel):
    """Who answers `auto`, and how many requests are compared; what is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"backend": "auto", "shadow_share": 0.1}]}
    )

    backend: AutoName | None = Field(
        default=None,
        description="`auto`: the fastest backend that agrees with native. It also gives copies that were rolled back a "
        "new chance.",
    )
    shadow_share: float | None = Field(
        default=None, ge=0, le=1, description="Share of the requests that are run again to compare."
    )


class AutoAnswer(BaseModel):
    """Who answers `auto` now."""

    backend: str = Field(description="What an admin chose: `auto` or a backend's name.")
    active: str | None = Field(description="The backend that answers `auto`.")
    shadow_share: float


class ReloadRequest(BaseModel):
    """What to load: a copy again from its folder, or with `native` a version of the model."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"backend": "frozen"}, {"backend": "native", "version": "3"}]},
    )

    backend: ModelName
    version: Annotated[str, Field(pattern=r"^(\d{1,18}|newest)$")] | None = Field(
        default=None,
        description="With `native`: the version to load, which is then pinned; `newest` unpins it. If left out, the "
        "pinned version, else the newest.",
    )


class JobAnswer(BaseModel):
    """A conversion job as it stands."""

    id: str
    target: str
    options: dict[str, Any] = Field(description="All options, as the converter got them.")
    state: str = Field(description="running, loading, succeeded, unavailable, refused, failed or cancelled.")
    reason: str = ""
    step: str = Field(description="What it is doing, or did last.")
    doing: str = Field(description="The step in words.")
    progress: float = Field(
        description="0 to 1: the steps that are done, and the part of the present step that is done."
    )
    seconds: dict[str, float] = Field(description="Seconds that each finished step took.")
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
            options=discreet_in(asdict(job.options)),
            state=job.state,
            reason=discreet(job.reason),
            step=job.step,
            doing=job.doing,
            progress=job.progress,
            seconds=job.seconds,
            created=job.created,
            finished=job.finished,
            log=discreet_in(list(job.log)),
            report=discreet_in(job.report),
        )
