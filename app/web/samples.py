"""The packaged photos as samples for people: an index, the files, and small previews of them."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import PIL.Image

from app.errors import NotFound

PREVIEW_PIXELS = 144  # of its longer side
_QUALITY = 72


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo."""

    name: str
    width: int
    height: int
    data: bytes  # the JPEG file


class Samples:
    """The JPEG files of a folder by name; they are read once, when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._load = cache(lambda: {path.stem: _read(path) for path in sorted(folder.glob("*.jpg"))})
        self._preview = cache(lambda name: _small(self.get(name).data))

    def all(self) -> list[Sample]:
        """All of them, by name."""
        return list(self._load().values())

    def get(self, name: str) -> Sample:
        """The sample called `name`; NotFound if there is none."""
        if name not in self._load():
            raise NotFound(f"there is no sample {name[:40]}: {', '.join(self._load()) or 'there are none'}")
        return self._load()[name]

    def preview(self, name: str) -> bytes:
        """A small JPEG of it; NotFound if there is no such sample."""
        small: bytes = self._preview(self.get(name).name)
        return small


def _read(path: Path) -> Sample:
    data = path.read_bytes()
    with PIL.Image.open(io.BytesIO(data)) as picture:
        return Sample(path.stem, *picture.size, data)


def _small(data: bytes) -> bytes:
    with PIL.Image.open(io.BytesIO(data)) as picture:
        picture.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
        small = io.BytesIO()
        picture.convert("RGB").save(small, "JPEG", quality=_QUALITY, optimize=True)
    return small.getvalue()
