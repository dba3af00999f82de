"""Settings: one frozen model, read from DETECTOR_* variables; the descriptions are the documentation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from app.access_settings import AccessSettings
from app.choices import Orientation, Precision, wanted_on
from app.model_settings import bundled_model as bundled_model
from app.rules import GateRules, RollbackRule
from app.setting_errors import WrongSetting as WrongSetting
from app.setting_errors import in_a_sentence
from app.setting_types import PREFIX as PREFIX
from app.setting_types import Bind, HostNames, Names, Origins, PathPrefix, Switch, VariableNames, is_loopback
from converter.tolerance import Tolerance

# Set to nothing is not set: an empty path would be the current folder.
_PATHS = ("model", "cache", "calibration_images", "gate_images", "labels", "token_file", "admin_token_file")
_OF_MODEL = ("signature", "input_scale", "input_fit", "boxes", "outputs", "nms_iou", "nms_count", "label_offset")
_NOT_EMPTY = (*_PATHS, *_OF_MODEL, "batch_sizes", "grpc_bind")


_TOLERANCE, _GATE, _ROLLBACK = Tolerance(), GateRules(), RollbackRule()


class Settings(AccessSettings, frozen=True, extra="forbid"):
    """Everything that can be set. Only what builds the server sees it; below, constructors take plain values."""

    bind: Bind = Field(default="127.0.0.1:8000", description="Address and port to listen on.")
    allowed_hosts: HostNames | None = Field(
        default=None,
        description="Host names that the server answers to, besides addresses and `localhost`. `.example.com` is that "
        "name and all names below it, `*` is any name. Default: none if it listens on loopback, else any.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Origins whose pages may ask from a browser (CORS), like `https://app.example.com`; `*` is any "
        "origin. The admin routes stay closed to them. Default: none.",
    )
    root_path: PathPrefix = Field(
        default="",
        description="Path below which a proxy serves this server, like `/detector`. The proxy may take the path off, "
        "or leave it on.",
    )
    grpc_bind: Bind | None = Field(
        default=None,
        description="Address and port for the Open Inference Protocol over gRPC, like `127.0.0.1:8001`. Needs the "
        "extra `grpc`. Default: off.",
    )
    docs: Switch = Field(default=True, description="Whether `/docs` and `/openapi.json` are served.")
    cache: Path | None = Field(
        default=None, description="Folder for copies if the model's own folder can't be written to."
    )
    verify: Switch = Field(
        default=False,
        description="Whether every start of a worker and every conversion hashes all files of the model. If not, only "
        "files whose size, times or inode have changed are hashed.",
    )
    copies: Names | None = Field(
        default=None,
        description="Copies to load or to make; empty for none. For a copy that can't exist here, `/model` says why. "
        f"Default: `{','.join(wanted_on('cpu'))}` on a machine without a GPU, `{','.join(wanted_on('gpu'))}` on one "
        "with.",
    )
    startup_conversion: Literal["background", "blocking", "off"] = Field(
        default="background",
        description="When missing copies are made: while native serves (`background`), before the server is ready "
        "(`blocking`), or not at start (`off`).",
    )
    precision: Precision = Field(
        default="FP32",
        description="Precision of the TF-TRT copy that is made at start. `FP16` holds for the ONNX copy too.",
    )
    calibration_images: Path | None = Field(
        default=None, validate_default=True, description="Folder of JPEG files on which an INT8 copy is calibrated."
    )
    gate_images: Path | None = Field(
        default=None,
        description="Folder of JPEG files on which copies are compared with native. They should have the sizes that "
        "clients send. At most 100 files of a folder are taken, always the same ones. Default: the packaged photos, "
        "variations of them, and the photos enlarged to 2 and 12 MP.",
    )
    gate_matched: float = Field(
        default=_TOLERANCE.matched,
        gt=0,
        lt=1,
        description="A copy is bad if it has no more than this share of its boxes in common with native. It is good "
        "if at most a fifth as many boxes are wrong: with 0.95, 5 % wrong boxes are bad and 1 % are good.",
    )
    gate_mean_iou: float = Field(
        default=_TOLERANCE.mean_iou,
        ge=0.5,
        le=1,
        description="Minimum mean overlap (IoU) of the boxes that both found.",
    )
    gate_score_diff: float = Field(
        default=_TOLERANCE.score_diff,
        ge=0,
        le=1,
        description="Maximum difference of the scores of such a pair of boxes.",
    )
    gate_speedup: float = Field(
        default=_GATE.speedup,
        gt=0,
        description="How many times as fast as native a copy must be, at the lower bound of the 95 % interval.",
    )
    gate_seconds: float = Field(
        default=_GATE.seconds,
        gt=0,
        description="Longest time for which a copy is timed against native with pictures of one size class. A least "
        "number of pairs is timed in any case.",
    )
    shadow_share: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Share of requests that are run again on native and on a copy, to compare the two.",
    )
    rollback_share: float = Field(
        default=_ROLLBACK.share,
        gt=0,
        le=1,
        description="Share of the last compared pictures that a copy may fail on before it leaves `auto`.",
    )
    rollback_window: int = Field(
        default=_ROLLBACK.pairs, ge=20, description="How many of the compared pictures count as the last ones."
    )
    child_environment: VariableNames = Field(
        default=(),
        description="Environment variables that workers and conversions get, besides those that they need.",
    )
    queue_limit: int = Field(
        default=64, ge=1, description="Pictures that may wait for a backend; one more is refused with 429."
    )
    timeout_seconds: float = Field(
        default=30, gt=0, description="Longest time that a request waits for its answer before it gets 504."
    )
    max_body_bytes: int = Field(default=20_000_000, ge=1, description="Largest body of a request.")
    bodies_bytes: int = Field(
        default=256_000_000,
        ge=1,
        description="Maximum bytes of bodies in memory at once. Beyond that the slowest request gets 429.",
    )
    max_pixels: int = Field(default=25_000_000, ge=1, description="Maximum number of pixels of a picture.")
    orientation: Orientation = Field(
        default="upright",
        description="How the model sees a picture that a camera has stored turned or mirrored: `upright`, as its EXIF "
        "orientation says, or as it is `stored`. Boxes are in pixels of what the model sees.",
    )
    max_pixels_in_flight: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of pixels that a backend decodes at once; 16 times as many may wait. Default: "
        "`DETECTOR_MAX_PIXELS` times the cores, at least times two.",
    )
    connections: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of connections at once. One more takes the place of the one that has been idle "
        "longest. Default: what the limit on open files leaves, at most 4,096.",
    )
    keep_alive_seconds: float = Field(
        default=75, gt=0, description="Longest time that a connection is kept between requests."
    )
    request_seconds: float = Field(
        default=10,
        gt=0,
        description="Time within which the headers of a request must arrive. Its body may fall behind 20,000 bytes/s "
        "by this time.",
    )
    load_seconds: float = Field(
        default=600, gt=0, description="Longest time for a model to load and warm up. After that its worker is ended."
    )
    hang_seconds: float = Field(
        default=60, gt=0, description="Longest time for a batch. A worker that takes longer is ended and started again."
    )
    convert_seconds: float = Field(default=3600, gt=0, description="Longest time for a conversion.")
    convert_memory_mib: int | None = Field(
        default=None,
        ge=1,
        description="Maximum memory for a conversion, in MiB. Beyond that it is ended. Default: what is free, less a "
        "margin.",
    )
    drain_seconds: float = Field(
        default=5, ge=0, description="Time after SIGTERM in which the server is not ready but still takes requests."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Level from which on log lines are written."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="Form of the log: `text`, or one JSON object a line (`json`)."
    )
    request_log: Literal["off", "text", "json"] = Field(
        default="off",
        description="Whether there is a line for each request, and its form, independently of the other lines. Probes "
        "and `/metrics` have a line only if they fail, or at the level `debug`.",
    )

    @field_validator("calibration_images")
    @classmethod
    def _calibrates(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("precision") == "INT8":
            raise ValueError("DETECTOR_PRECISION=INT8 needs a folder of JPEG files to calibrate on")
        return value

    @property
    def host(self) -> str:
        """The address to listen on; brackets of an IPv6 address removed."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names under which the server answers besides addresses and `localhost`; `*` is any."""
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        return () if is_loopback(self.host) else ("*",)

    @property
    def port(self) -> int:
        """The port to listen on; 0 lets the system choose."""
        return int(self.bind.rpartition(":")[2])

    @classmethod
    def from_env(cls, environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> Self:
        """Read DETECTOR_* variables; `options`, by field name, win. WrongSetting with a sentence if one is wrong."""
        names = {name: PREFIX + name.upper() for name in cls.model_fields}
        given = {name: environ[variable] for name, variable in names.items() if variable in environ}
        values = {name: value for name, value in given.items() if value or name not in _NOT_EMPTY}
        try:
            return cls.model_validate({**values, **(options or {})})
        except ValidationError as error:
            raise in_a_sentence(error, options or {}) from None
