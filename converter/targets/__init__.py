"""The kinds of copies: one file each, named in one table, imported when a copy of that kind is made."""

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
    hardware_bound: bool  # made for one GPU model and one TensorRT


KINDS = {
    "trt": Kind("converter.targets.trt", hardware_bound=True),
    "frozen": Kind("converter.targets.frozen", hardware_bound=False),
}


def load(name: str) -> Target:
    """The target's module; it imports TensorFlow."""
    return cast(Target, import_module(KINDS[name].module))
