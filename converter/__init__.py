"""Makes copies of a TensorFlow detector: `converter.convert(...)` here, `python -m converter` on the command line.

Importing this package loads neither TensorFlow nor numpy; `convert` does when it is first called.
"""

from typing import TYPE_CHECKING

from converter.contract import (
    BadOptions,
    ConversionFailed,
    ConverterError,
    CopyRefused,
    Identity,
    Options,
    Order,
    Report,
    TargetUnavailable,
    UnusableModel,
)
from converter.tolerance import Tolerance

if TYPE_CHECKING:
    from converter.run import convert

__all__ = [
    "BadOptions",
    "ConversionFailed",
    "ConverterError",
    "CopyRefused",
    "Identity",
    "Options",
    "Order",
    "Report",
    "TargetUnavailable",
    "Tolerance",
    "UnusableModel",
    "convert",
]


def __getattr__(name: str) -> object:
    """Load what is heavy when it is first asked for (PEP 562)."""
    if name == "convert":
        from converter.run import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
