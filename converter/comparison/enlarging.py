"""The packaged photos at a camera's size, made in a child: the pixels are not for the process that asks.

The program writes them to a folder, named by the photo and by their number.
"""

import os
import sys
import tempfile
from pathlib import Path

from converter.contract import ConversionFailed
from converter.machine import child
from converter.model import sampling
from converter.model.enlarged import forms

SECONDS = 60.0
_LESS_URGENT = 10  # answers go first


def photos(pixels: int) -> list[tuple[int, bytes]]:
    """JPEG files of so many pixels, each with the number of the packaged photo that it is of; ConversionFailed."""
    with tempfile.TemporaryDirectory(prefix="enlarged-") as folder:
        try:
            done = child.run("converter.comparison.enlarging", str(pixels), folder, limits=child.Limits.within(SECONDS))
        except child.OverLimit as error:
            raise ConversionFailed(f"enlarging photos {error}, and was ended") from error
        if done.returncode:
            raise ConversionFailed(f"photos could not be enlarged: {done.stderr[-300:]}")
        paths = sorted(Path(folder).iterdir())
        return [(int(path.stem.partition("-")[0]), path.read_bytes()) for path in paths]


def _write(pixels: int, folder: Path) -> None:
    for number, (photo, data) in enumerate(forms(sampling.packaged(), pixels)):
        (folder / f"{photo}-{number}.jpg").write_bytes(data)


if __name__ == "__main__":
    child.begin()
    os.nice(_LESS_URGENT)
    _write(int(sys.argv[1]), Path(sys.argv[2]))
