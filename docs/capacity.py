"""Machines for a load, from the figures that stand in the pages of the benchmarks."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from docs.markdown import table

_BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PLANNED = 0.7  # of the measured rate
LOADS = (100, 1000)  # pictures a second
_MILLION, _HOUR_S = 1_000_000, 3600
_CPU, _H200 = ("2 cores without a GPU", 0.10), ("one H200, 16 cores", 4.00)  # prices an hour: an assumption
_NANO, _RETINA = "YOLOX-Nano", "RetinaNet-R50 640"
_HEAD = ("machine", "model", "backend", "pictures/s measured", "planned")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one machine answers a second with one backend."""

    machine: tuple[str, float]
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


def measured() -> list[Measured]:
    """What the benchmarks' pages say; LookupError if a figure is no longer where it was."""
    cpu, gpu = ((_BENCHMARKS / name).read_text(encoding="utf-8") for name in ("cpu.md", "gpu.md"))
    on_cpu = {"native": "## Against the raw call", "onnx": "## The copy for ONNX Runtime"}
    return [
        *(Measured(_CPU, _NANO, name, _first(cpu, title, r"\| 32 \| ([\d.]+) \|")) for name, title in on_cpu.items()),
        *(Measured(_H200, _RETINA, name, _over_http(gpu, name)) for name in ("native", "onnx", "trt")),
    ]


def _over_http(text: str, backend: str) -> float:
    """At 128 connections, from the first table of the RetinaNet."""
    return _first(text, "### RetinaNet-R50-FPN 640", rf"\| {backend} \|(?:[^|\n]*\|){{3}} 128 \|[^|]*\| ([\d.]+) \|")


def _first(text: str, title: str, pattern: str) -> float:
    found = re.search(pattern, text.partition(title)[2])
    if found is None:
        raise LookupError(f"the benchmarks have no figure like {pattern!r} below {title!r}")
    return float(found[1])


def _row(one: Measured) -> tuple[str, ...]:
    name, price = one.machine
    counts = [f"{math.ceil(load / one.planned_per_s)}" for load in LOADS]
    figures = (f"{one.per_s:.0f}", f"{one.planned_per_s:.0f}", *counts, f"{one.hours:.2f}", f"{one.hours * price:.2f}")
    return name, one.model, f"`{one.backend}`", *figures
