"""What a conversion is asked for, what it reports, how it fails. Plain data; nothing here needs TensorFlow."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

REPORT_NAME = "report.json"
PRECISIONS = ("FP32", "FP16", "INT8")


class ConverterError(Exception):
    """A conversion that did not end in a copy; the message is one sentence for a person.

    `code` is stable for programs, `exit_code` is what the command line ends with.
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1


class BadOptions(ConverterError):
    """The options contradict each other or name something that does not exist."""

    code = "bad_options"
    exit_code = 2


class UnusableModel(ConverterError):
    """The folder is no SavedModel, or its signature is not a detector's."""

    code = "unusable_model"
    exit_code = 3


class TargetUnavailable(ConverterError):
    """This machine lacks what the target needs: a GPU, a library, a build of TensorFlow."""

    code = "unavailable"
    exit_code = 4


class ConversionFailed(ConverterError):
    """TensorFlow or the disk gave up on the way."""

    code = "failed"
    exit_code = 5


class CopyRefused(ConverterError):
    """A copy was made but is not what it should be; `reason` is the short word for it (`no_engine`, …)."""

    code = "refused"
    exit_code = 6

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a copy is made. Only `target` and `batch_sizes` matter to a frozen copy, the rest is TF-TRT's."""

    target: str = "trt"
    precision: str = "FP32"  # one of PRECISIONS
    batch_sizes: tuple[int, ...] = (1, 8)  # TF-TRT builds an engine profile for each, the probe runs each
    # Engines with fewer operations than this stay TensorFlow's: each one costs a hand-over.
    minimum_segment_size: int = 20
    workspace_bytes: int = 4 << 30  # most scratch memory on the GPU that TensorRT's tactics may take

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise BadOptions(f"precision {self.precision!r} is not one of {', '.join(PRECISIONS)}")
        if self.precision == "INT8":
            raise BadOptions("INT8 needs a calibration on real images, which this version does not do yet")
        if not self.batch_sizes or min(self.batch_sizes) < 1:
            raise BadOptions("batch sizes must be whole numbers from 1 up, at least one of them")
        if self.minimum_segment_size < 1 or self.workspace_bytes < 1:
            raise BadOptions("the minimum segment size and the workspace must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a copy depends on. A copy whose identity differs from the present one must not be loaded.

    The hardware fields are None for targets that run anywhere. An engine belongs to one GPU model and one
    TensorRT (https://docs.nvidia.com/deeplearning/tensorrt/: "serialized engines are not portable").
    """

    source_sha256: str  # over names and contents of the SavedModel's files
    tensorflow: str
    tensorrt: str | None = None
    gpu: str | None = None
    compute_capability: str | None = None

    def mismatch(self, now: "Identity") -> str | None:
        """A sentence naming the first field in which this copy differs from `now`, or None."""
        for item in fields(self):
            made_with, have = getattr(self, item.name), getattr(now, item.name)
            if made_with != have:
                return f"it was made with {item.name} {_short(made_with)}, here it is {_short(have)}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a conversion did; `report.json` in the copy's folder."""

    target: str
    options: Options
    identity: Identity
    created: str  # UTC, ISO 8601
    seconds: Mapping[str, float]  # by step
    size_bytes: int
    batch_sizes: tuple[int, ...]  # that were run once, each
    facts: Mapping[str, Any]  # the target's own: engines, operations converted, …
    probe: Mapping[str, Any]  # latency by batch size, in a process of its own
    files: Mapping[str, str] = field(default_factory=dict)  # relative name -> sha256

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The report in `folder`, or None where there is none; ValueError if it can't be understood."""
        try:
            raw = json.loads((folder / REPORT_NAME).read_text(encoding="utf-8"))
            options = {**raw["options"], "batch_sizes": tuple(raw["options"]["batch_sizes"])}
            rest = {key: raw[key] for key in raw if key not in ("options", "identity", "batch_sizes")}
            report = cls(
                options=Options(**options),
                identity=Identity(**raw["identity"]),
                batch_sizes=tuple(raw["batch_sizes"]),
                **rest,
            )
            report._check_types()
            return report
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, AttributeError, ValueError, RecursionError, ConverterError) as error:
            raise ValueError(f"{REPORT_NAME} can't be understood: {error}") from error

    def _check_types(self) -> None:
        if not all(isinstance(item, dict) for item in (self.seconds, self.facts, self.probe, self.files)):
            raise TypeError("seconds, facts, probe and files must be objects")
        if not self.batch_sizes or not all(isinstance(size, int) and size > 0 for size in self.batch_sizes):
            raise TypeError("batch_sizes must be whole numbers from 1 up")


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "…"
