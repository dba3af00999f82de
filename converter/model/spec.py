"""A tensor of a signature as it is told: its type and shape. No TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor's type and shape; None for a rank or a side that is not known."""

    dtype: str
    shape: tuple[int | None, ...] | None
    text: str  # the shape as TensorFlow writes it

    def fits(self, rank: int) -> bool:
        """Whether it may have this rank."""
        return self.shape is None or len(self.shape) == rank

    def has(self, rank: int, last: int | None = None) -> bool:
        """Whether it is known to have this rank and, if given, so many numbers in its last side."""
        return self.shape is not None and len(self.shape) == rank and last in (None, self.shape[-1])

    @property
    def last(self) -> int | None:
        """How long its last side is, if that is known."""
        return self.shape[-1] if self.shape else None

    @property
    def is_number(self) -> bool:
        """Whether it is made of numbers."""
        return self.dtype.startswith(("float", "bfloat", "int", "uint"))

    @property
    def is_whole(self) -> bool:
        """Whether it is made of whole numbers."""
        return self.dtype.startswith(("int", "uint"))

    def __str__(self) -> str:
        return f"{self.dtype} {self.text}"


def listed(specs: Mapping[str, Spec]) -> str:
    """Names with types and shapes, for a sentence."""
    return ", ".join(f"{name} ({spec})" for name, spec in sorted(specs.items())) or "nothing"


def plain(name: str) -> str:
    """The name of a tensor without the number that TensorFlow 1 puts behind it: `boxes` of `boxes:0`."""
    return name.removesuffix(":0")
