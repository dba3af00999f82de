"""The named parts: one model and one backend each, and what is measured of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Settings = Mapping[str, str]  # DETECTOR_* variables

OWN = "own"  # a model that somebody has put there
MODELS = ("retina", "bundled", OWN)
COPIES = ("frozen", "trt", "onnx")
BACKENDS = ("native", "mixed", *COPIES)
IN_FLIGHT = (2, 4, 8, 12)
SIZES = ("8", "1,8", "1,4,8", "1,2,4,8")


@dataclass(frozen=True)
class Part:
    """What is measured together, within eight minutes."""

    model: str
    backend: str  # one of BACKENDS; or what is done with several
    does: str  # build, load, orders, mixed, agreement or beside
    variants: tuple[Settings, ...] = field(default=({},))


def every() -> dict[str, Part]:
    """All parts by name."""
    return {name: part for model in MODELS for name, part in _of(model)}


def is_layout(step: str) -> bool:
    """Whether a step is direct calls: so many callers with batches of so many, like 4x8."""
    return re.fullmatch(r"\d+x\d+", step) is not None


def _of(model: str) -> Iterator[tuple[str, Part]]:
    for backend in BACKENDS:
        yield f"{model}/{backend}", Part(model, backend, "load")
        yield f"{model}/{backend}/orders", Part(model, backend, "orders")
        yield f"{model}/{backend}/mixed", Part(model, backend, "mixed")
        yield f"{model}/{backend}/flight", Part(model, backend, "load", tuple(map(_in_flight, IN_FLIGHT)))
    for backend in COPIES:
        yield f"{model}/{backend}/build", Part(model, backend, "build")
    for backend in ("trt", "onnx"):
        larger = {"DETECTOR_MAX_BATCH": "16", "DETECTOR_BATCH_SIZES": "1,8,16"}
        sizes = ({"DETECTOR_BATCH_SIZES": each} for each in SIZES)
        yield f"{model}/{backend}/sizes", Part(model, backend, "load", (*sizes, larger))
    yield f"{model}/agreement", Part(model, "native", "agreement")
    yield f"{model}/beside", Part(model, "onnx", "beside")


def _in_flight(batches: int) -> Settings:
    return {"DETECTOR_BATCHES_IN_FLIGHT": str(batches)}
