"""Real photos as model inputs: for building engines, probing and warming up."""

from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path


def packaged() -> list[bytes]:
    """The packaged CC0 and public-domain photos, as JPEG files."""
    folder = Path(str(files("converter"))) / "photos"
    return [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]


def batch(photos: list[bytes], size: int) -> list[bytes]:
    """`size` photos, in turn."""
    return list(islice(cycle(photos), size))
