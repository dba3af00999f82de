"""What a conversion is asked for, what it reports, how it fails. Plain data; nothing here needs TensorFlow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from converter import stored
from converter.description import Declared
from converter.tolerance import Tolerance

REPORT_NAME = "report.json"
LONGEST_S = 3600.0  # that a conversion may take where nobody says otherwise
PRECISIONS = ("FP32", "FP16", "INT8")
STRATEGIES = ("Optimal", "Range", "Range+Optimal", "ImplicitBatchModeCompatible")
_ALWAYS_STORED = frozenset({"target", "images", "batch_sizes", "denylist"})  # options that no file lacks


class ConverterError(Exception):
    """A conversion that did not end in a copy; the message is one sentence for a person."""

    code: ClassVar[str] = "failed"  # stable, for programs
    exit_code: ClassVar[int] = 1  # of the command line


class BadOptions(ConverterError, ValueError):
    """The options contradict each other or name something that does not exist."""

    code = "bad_options"
    exit_code = 2


class UnusableModel(ConverterError):
    """The folder is not a SavedModel, or its signature is not a detector's."""

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
    """How a copy is made. Only `target`, `batch_sizes` and `images` matter to every copy, the rest is TF-TRT's.

    An ONNX copy has a `precision` too. The names in brackets are those of TrtGraphConverterV2
    (tensorflow/python/compiler/tensorrt/trt_convert.py).
    """

    target: str = "trt"
    batch_sizes: tuple[int, ...] = (1, 8)  # TF-TRT builds an engine profile for each; each is run and compared
    images: Path | None = None  # JPEG files for engines, INT8 and the comparison; None: the packaged photos
    precision: str = "FP32"  # one of PRECISIONS [precision_mode]
    # Engines with fewer operations than this stay TensorFlow's: each one costs a hand-over.
    minimum_segment_size: int = 20
    workspace_bytes: int = 4 << 30  # most scratch memory on the GPU for TensorRT's tactics [max_workspace_size_bytes]
    cached_engines: int | None = None  # None: one for each batch size [maximum_cached_engines]
    dynamic_shape: bool = True  # False: implicit batch, one engine for each size [use_dynamic_shape]
    # Optimal: a profile for each batch size and nothing between; serving pads to these sizes.
    profile_strategy: str = "Optimal"  # one of STRATEGIES [dynamic_shape_profile_strategy]
    calibration: bool = True  # of INT8; False: the graph has its own quantisation nodes [use_calibration]
    build_at_run_time: bool = False  # may an engine be built inside a request? [allow_build_at_runtime]
    save_engines: bool = True  # False: a copy for another GPU, which builds its own [save_gpu_specific_engines]
    denylist: tuple[str, ...] = ()  # types of operations that stay TensorFlow's [TF_TRT_OP_DENYLIST]
    # What is said of the source, where it can't be read (see `converter.description.Declared`).
    signature: str | None = None
    input_scale: str | None = None
    input_fit: str | None = None
    boxes: str | None = None
    outputs: str | None = None
    nms_iou: float | None = None
    nms_count: int | None = None

    def __post_init__(self) -> None:
        if problem := next((text for wrong, text in self._problems() if wrong), None):
            raise BadOptions(problem)

    @property
    def calibrated_on(self) -> Path | None:
        """The folder whose pictures shape the copy; None if none do."""
        return self.images if self.precision == "INT8" and self.calibration else None

    def of(self, declared: Declared) -> "Options":
        """The same for a source of which this is declared."""
        return replace(self, **asdict(declared))

    @property
    def declared(self) -> Declared:
        """What is declared of the source."""
        return Declared(**{item.name: getattr(self, item.name) for item in fields(Declared)})

    def text(self, names: Sequence[str]) -> dict[str, str]:
        """The options (or properties) of these names, as text by name."""
        return {name: _text(getattr(self, name)) for name in names}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        return stored.without_defaults(handler(source), _ALWAYS_STORED)

    def _choices(self) -> Iterator[tuple[str, str, Sequence[str]]]:
        """The words before a choice in a sentence, what was chosen, and what there is."""
        yield "precision ", self.precision, PRECISIONS
        yield "profile strategy ", self.profile_strategy, STRATEGIES

    def _problems(self) -> Iterator[tuple[bool, str]]:
        """What may be wrong, and whether it is."""
        for what, value, known in self._choices():
            yield value not in known, f"{what}{value!r} is not one of {', '.join(known)}"
        wrong = self.declared.problem()
        yield wrong is not None, str(wrong)
        sizes = "batch sizes must be whole numbers from 1 up, at least one of them"
        yield not self.batch_sizes or min(self.batch_sizes) < 1, sizes
        positive = min(self.minimum_segment_size, self.workspace_bytes, self.cached_engines or 1)
        yield positive < 1, "the minimum segment size, the workspace and the cached engines must be 1 or more"
        calibrated = self.precision == "INT8" and self.calibration
        yield calibrated and self.images is None, "INT8 is calibrated on real pictures: name a folder of them"
        nothing = "without saved engines there is nothing to run unless engines may be built at run time"
        yield not self.save_engines and not self.build_at_run_time, nothing
        strange = [name for name in self.denylist if not (name.isascii() and name.isidentifier())]
        yield bool(strange), f"{', '.join(map(repr, strange))} can't be the type of an operation, like Conv2D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A conversion as it is asked for."""

    options: Options = field(default_factory=Options)
    tolerance: Tolerance = field(default_factory=Tolerance)  # by which its report judges the copy
    pictures: Path | None = None  # on which it does; None: the options' images
    standard: Options | None = None  # what the server that asks would make by itself; None: no server asks
    verify: bool = False  # hash every file of the source anew, whatever is remembered of it
    keep_disagreeing: bool = False  # whether a copy that computes something else is made all the same

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it."""
        return stored.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The order that `to_json` wrote; BadOptions if it is none."""
        try:
            return stored.from_json(cls, text, "the order")
        except ValueError as error:
            raise BadOptions(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a copy depends on. A copy whose identity differs from the present one must not be loaded.

    The hardware fields are None for targets that run anywhere. An engine belongs to one GPU model and one
    TensorRT (https://docs.nvidia.com/deeplearning/tensorrt/: "serialized engines are not portable").
    """

    source_sha256: str  # over names and contents of the SavedModel's files
    options: Mapping[str, str]  # those that shape the copy, by name
    tensorflow: str
    tensorflow_build: str
    tensorrt: str | None = None
    gpu: str | None = None
    compute_capability: str | None = None
    format: int = 1  # of the kind, as its copies were when this one was made
    libraries: Mapping[str, str] = field(default_factory=dict)  # versions of others that shape it, by name

    def mismatch(self, now: "Identity") -> str | None:
        """A sentence naming the first field, or option, in which this copy differs from `now`; None if none does."""
        pairs = {item.name: (getattr(self, item.name), getattr(now, item.name)) for item in fields(self)}
        for several in ("options", "libraries"):
            made_with, wanted = pairs.pop(several)
            pairs |= {name: (made_with.get(name), wanted.get(name)) for name in sorted({*made_with, *wanted})}
        for name, (then, here) in pairs.items():
            if then != here:
                return f"it was made with {name} {_short(then)}, here it is {_short(here)}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a conversion did; `report.json` in the copy's folder."""

    target: str
    options: Options
    identity: Identity
    environment: Mapping[str, Any]  # what was found on the machine
    created: str  # UTC, ISO 8601
    seconds: Mapping[str, float]  # by step
    source_bytes: int
    size_bytes: int
    batch_sizes: tuple[int, ...]  # that were run, each
    facts: Mapping[str, Any]  # the target's own: engines, operations converted and why not the rest, …
    probe: Mapping[str, Any]  # how the copy was run before it was published
    latency: Mapping[str, Any]  # seconds by native, frozen and the copy, by batch size: see comparison.probe.Probed
    agreement: Mapping[str, Any]  # with native on the images, by batch size: see converter.comparison.agreement
    files: Mapping[str, str] = field(default_factory=dict)  # relative name -> sha256
    standard: Options | None = None  # what the server that asked would have made by itself; None: no server asked

    def __post_init__(self) -> None:
        if not self.batch_sizes or min(self.batch_sizes) < 1:
            raise ValueError("batch_sizes must be whole numbers from 1 up")

    def to_json(self) -> str:
        """The report as indented JSON."""
        return stored.to_json(self, indent=2)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The report in `folder`, or None where there is none; ValueError if it can't be understood."""
        try:
            return cls.from_json((folder / REPORT_NAME).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{REPORT_NAME} can't be read: {error.strerror}") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The report that `to_json` wrote; ValueError if it is none."""
        return stored.from_json(cls, text, REPORT_NAME)


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "…"
