"""The zoo of models once a session, and the bundled model's own answers, which all but one of them must give too."""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.models.declared import KINDS
from tests.support.once import Once

PREFIX = "DETECTOR_"
BARE = {"DETECTOR_COPIES": "", "DETECTOR_DRAIN_SECONDS": "0"}
SURE = 0.35  # objects below this score come and go with the last bit of a picture


def environ(root: Path, kind: str, **more: str) -> dict[str, str]:
    """The settings of a server for one kind."""
    declared = {PREFIX + name.upper(): value for name, value in KINDS[kind].items()}
    return {"DETECTOR_MODEL": str(root / kind), **BARE, **declared, **more}


@pytest.fixture(scope="session")
def zoo(once: Once) -> Path:
    """The folder with a folder of versions for each kind."""
    return once("zoo", _make_zoo)


def _make_zoo(root: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.support.models.zoo", str(root)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        check=True,
        capture_output=True,
        timeout=180,
    )


def odd_photos(photo: bytes) -> dict[str, bytes]:
    """Pictures on which preparations break: grey, CMYK, a pixel wide, and very large."""
    image = Image.open(BytesIO(photo))
    made = {
        "grey": image.convert("L"),
        "cmyk": image.convert("CMYK"),
        "narrow": image.resize((1, 200)),
        "large": image.resize((6000, 4000), Image.Resampling.NEAREST),
    }
    return {name: _jpeg(picture) for name, picture in made.items()}


def corners(found: dict[str, Any]) -> tuple[float, float, float, float]:
    """Of one detection in an answer."""
    box = found["box"]
    return box["xmin"], box["ymin"], box["xmax"], box["ymax"]


def _jpeg(picture: Image.Image) -> bytes:
    stream = BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
