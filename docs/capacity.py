"""Speeds, and machines for a load, from the figures that stand in the pages of the benchmarks."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from docs.markdown import table

_BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PLANNED = 0.7  # of the measured rate
LOADS = (100, 1000)  # pictures a second
_MILLION, _HOUR_S = 1_000_000, 3600
_CPU_PRICE, _GPU_PRICE = 0.10, 4.00  # of a machine for an hour: an assumption
_PEERS = "<!-- written by make bench-peers"  # where the table of ours and other servers begins
_NANO, _RETINA = "YOLOX-Nano", "RetinaNet-R50 640"
_GPU, _CONNECTIONS = "one NVIDIA H200, 16 cores", {_NANO: 32, _RETINA: 128}
_HEAD = ("machine", "model", "backend", "pictures/s measured", "planned")
_RUNNERS = {"onnx": "with ONNX Runtime", "trt": "with TensorRT"}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one machine answers a second with one backend, over HTTP."""

    machine: str
    price: float  # for an hour
    model: str
    backend: str
    per_s: float

    @property
    def planned_per_s(self) -> float:
        """The rate to plan with."""
        return PLANNED * self.per_s

    @property
    def hours(self) -> float:
        """Hours of a machine for a million pictures."""
        return _MILLION / (_HOUR_S * self.planned_per_s)


def machines() -> str:
    """The table of machines for a load and of what a million pictures cost."""
    head = (*_HEAD, *(f"machines for {load:,}/s" for load in LOADS), "machine hours a million", "cost a million")
    return table(head, [_row(each) for each in measured()])


def speed() -> str:
    """A row for each machine: native, and the fastest copy."""
    found = measured()
    return table(
        ("measured over HTTP", "TensorFlow", "the fastest copy"),
        [_speeds([each for each in found if each.model == model]) for model in (_RETINA, _NANO)],
    )


def measured() -> list[Measured]:
    """What the benchmarks' pages say; LookupError if a figure is no longer where it was."""
    cpu, gpu = ((_BENCHMARKS / name).read_text(encoding="utf-8") for name in ("cpu.md", "gpu.md"))
    processor, cores = _find(cpu, _PEERS, r"\n(.+), (\d+) cores, wrk on them").groups()
    on_cpu = {"native": "`native`", "onnx": "`auto`"}
    return [
        *(
            Measured(f"{cores} cores ({processor})", _CPU_PRICE, _NANO, name, _among_peers(cpu, called))
            for name, called in on_cpu.items()
        ),
        *(Measured(_GPU, _GPU_PRICE, _RETINA, name, _over_http(gpu, name)) for name in ("native", "onnx", "trt")),
    ]


def _among_peers(text: str, called: str) -> float:
    """At 32 connections, from the table of ours and other servers."""
    return float(_find(text, _PEERS, rf"\| ours, {called} \|(?:[^|\n]*\|){{5}} ([\d.]+) \|")[1])


def _over_http(text: str, backend: str) -> float:
    """At 128 connections, from the RetinaNet's newest table with that backend; native from the one that `trt` is in."""
    row = rf"\| {backend} \|(?:[^|\n]*\|){{3}} 128 \|[^|]*\| ([\d.]+) \|"
    if backend == "native":
        row += r".*\n(?:\|.*\n)*?\| trt \|"
    return float(_find(text, "### RetinaNet-R50-FPN 640", row)[1])


def _find(text: str, title: str, pattern: str) -> re.Match[str]:
    found = re.search(pattern, text.partition(title)[2])
    if found is None:
        raise LookupError(f"the benchmarks have no figure like {pattern!r} below {title!r}")
    return found


def _row(one: Measured) -> tuple[str, ...]:
    counts = [f"{math.ceil(load / one.planned_per_s)}" for load in LOADS]
    figures = (f"{one.per_s:.0f}", f"{one.planned_per_s:.0f}", *counts, f"{one.hours:.2f}")
    return one.machine, one.model, f"`{one.backend}`", *figures, f"{one.hours * one.price:.2f}"


def _speeds(found: list[Measured]) -> tuple[str, ...]:
    native, *copies = found
    best = max(copies, key=lambda one: one.per_s)
    where = f"{native.model}, {native.machine}, {_CONNECTIONS[native.model]} connections"
    return where, f"{native.per_s:.0f} pictures/s", f"{best.per_s:.0f} pictures/s {_RUNNERS[best.backend]}"
