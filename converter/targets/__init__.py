"""The kinds of copies: one file each, named in one list, made in a child process.

May import: converter.graph, converter.machine, converter.model, converter.tftrt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from converter.contract import Options
from converter.progress import Progress


class Target(Protocol):
    """What the file of a target has."""

    def make(self, source: Path, into: Path, options: Options, progress: Progress) -> Mapping[str, Any]:
        """Write the copy's files into the empty folder `into`; the facts for the report.

        UnusableModel if the source can't be read, ConversionFailed if TensorFlow gives up.
        """


@dataclass(frozen=True, slots=True)
class Kind:
    """A line of the table."""

    module: str
    steps: tuple[str, ...]  # of its `make`
    hardware_bound: bool  # made for one GPU model and one TensorRT
    shaped_by: tuple[str, ...]  # the options that make a difference to the copy


KINDS = {
    "trt": Kind(
        "converter.targets.trt",
        steps=("load", "convert", "build", "save"),
        hardware_bound=True,
        shaped_by=(
            "precision",
            "batch_sizes",
            "minimum_segment_size",
            "workspace_bytes",
            "cached_engines",
            "dynamic_shape",
            "profile_strategy",
            "calibration",
            "calibrated_on",
            "build_at_run_time",
            "save_engines",
            "denylist",
        ),
    ),
    "frozen": Kind("converter.targets.frozen", steps=("load", "convert", "save"), hardware_bound=False, shaped_by=()),
    "onnx": Kind(
        "converter.targets.onnx",
        steps=("load", "convert", "save"),
        hardware_bound=False,
        shaped_by=("precision",),
    ),
}


def load(name: str) -> Target:
    """The target's module; it imports TensorFlow."""
    return cast(Target, import_module(KINDS[name].module))
