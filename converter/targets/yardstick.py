"""The copy that another one must beat too: freezing alone makes a model faster, and TF-TRT freezes too."""

from pathlib import Path

from converter import targets
from converter.description import Declared
from converter.machine.child import Limits
from converter.progress import silent
from converter.targets import making


def make(name: str, source: Path, folder: Path, *, declared: Declared, limits: Limits) -> None:
    """Make the copy of the kind `name` in `folder`, unseen; a ConverterError as `making.make` raises it."""
    options = targets.kind(name).options(batch_sizes=(1,), declared=declared)
    making.make(source, folder, options, progress=silent(), limits=limits)
