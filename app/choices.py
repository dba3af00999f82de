"""What may be chosen in settings and over the API: copies and backends by name, precisions, forms of boxes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from converter.contract import PRECISIONS, STRATEGIES
from converter.description import FITS, SCALES
from converter.targets import KINDS

Orientation = Literal["stored", "upright"]
NATIVE, AUTO, BOTH = "native", "auto", "both"
# First those that must beat another one too; otherwise in the order of the list.
_NAMES = tuple(sorted(KINDS, key=lambda name: KINDS[name].yardstick is None))

if TYPE_CHECKING:
    CopyName = str
    ModelName = str
    AutoName = str
    BackendName = str
    Precision = str
    Strategy = str
    Scale = str
    Fit = str
else:
    CopyName = Literal[_NAMES]
    ModelName = Literal[(NATIVE, *_NAMES)]  # of one that can be loaded
    AutoName = Literal[(AUTO, NATIVE, *_NAMES)]  # of one that can answer `auto`
    BackendName = Literal[(AUTO, NATIVE, *_NAMES, BOTH)]  # of one that can be asked
    Precision = Literal[PRECISIONS]
    Strategy = Literal[STRATEGIES]
    Scale = Literal[tuple(SCALES)]
    Fit = Literal[FITS]


def wanted_on(machine: str) -> tuple[str, ...]:
    """The copies that are made at start on a machine, "cpu" or "gpu", where nobody says which."""
    return in_order(name for name, kind in KINDS.items() if machine in kind.wanted_on)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Copies in the order in which they are loaded or made: last those that are measured against another one."""
    return tuple(sorted(names, key=lambda name: KINDS[name].yardstick is not None))
