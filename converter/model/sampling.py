"""Real photos as model inputs: for building engines, calibrating, comparing and warming up."""

import io
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from converter.contract import BadOptions
from converter.model.jpeg_segments import BEGINNING

PHOTOS = Path(str(files("converter"))) / "photos"  # the packaged ones
VARIATIONS = 3  # of each packaged photo
_SUFFIXES = (".jpg", ".jpeg")
MOST, MOST_BYTES = 512, 256 << 20  # of a folder, which are held at once: INT8 is calibrated on 64 batches of 8
# Of a folder on which a copy is compared with its source: a hundred tell as much as all of a large folder.
MOST_COMPARED, MOST_COMPARED_BYTES = 100, 64 << 20


def packaged() -> list[bytes]:
    """The packaged CC0 and public-domain photos, as JPEG files."""
    return [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))]


def packaged_with_variations() -> list[tuple[int, bytes]]:
    """The packaged photos, then simple variations of them, each with the number of its photo."""
    photos = [*enumerate(packaged())]
    return [*photos, *((number, each) for number, photo in photos for each in variations(photo))]


def photo_names(folder: Path | None, count: int) -> list[str]:
    """For each of the `count` pictures that `pictures` gives the name of the photo that it is of."""
    if folder is not None:
        return [str(number) for number in range(count)]
    photos = len(packaged())
    return [str(number if number < photos else (number - photos) // VARIATIONS) for number in range(count)]


def pictures(
    folder: Path | None,
    *,
    most: int = MOST,
    most_bytes: int = MOST_BYTES,
    on_sample: Callable[[int, int], None] = lambda taken, there: None,
) -> list[bytes]:
    """The JPEG files in `folder`, by name; None: the packaged photos and simple variations of them.

    Of more than `most` files, or `most_bytes`, a sample is taken: always the same, evenly over all names; `on_sample`
    is told how many of how many. BadOptions if there are none, or one is broken: a model would be blamed for it.
    """
    if folder is None:
        return [data for _, data in packaged_with_variations()]
    found = _jpegs(folder, most, most_bytes, on_sample)
    if not found:
        raise BadOptions(f"{folder.absolute().name} has no JPEG file (*.jpg, *.jpeg)")
    broken = next((path for path, data in found.items() if not _has_size(data)), None)
    if broken:
        raise BadOptions(f"{broken.name} is a broken JPEG file")
    return list(found.values())


def _jpegs(folder: Path, most: int, most_bytes: int, on_sample: Callable[[int, int], None]) -> dict[Path, bytes]:
    try:
        there = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        paths = _sample(there, most, most_bytes)
        if len(paths) < len(there):
            on_sample(len(paths), len(there))
        return {path: data for path in paths if (data := path.read_bytes()).startswith(BEGINNING)}
    except OSError as error:
        raise BadOptions(f"the pictures in {folder.absolute().name} can't be read: {error.strerror}") from error


def _sample(paths: list[Path], most: int, most_bytes: int) -> list[Path]:
    """So many of the files, evenly over their order, that they stay within both limits; one at least."""
    count = min(most, len(paths))
    while True:
        taken = [paths[number * len(paths) // count] for number in range(count)]
        if count <= 1 or sum(path.stat().st_size for path in taken) <= most_bytes:
            return taken
        count = count * 3 // 4


def variations(photo: bytes) -> Iterator[bytes]:
    """The photo mirrored, cropped to its middle, and at three quarters of its size: other pictures of known kind."""
    image = Image.open(io.BytesIO(photo), formats=["JPEG"])
    width, height = image.size
    yield _jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    yield _jpeg(image.crop((width // 10, height // 10, width - width // 10, height - height // 10)))
    yield _jpeg(image.resize((width * 3 // 4, height * 3 // 4), Image.Resampling.BILINEAR))


def batch(photos: list[bytes], size: int) -> list[bytes]:
    """`size` photos, in turn."""
    return list(islice(cycle(photos), size))


def size_of(photo: bytes) -> tuple[int, int]:
    """Width and height in pixels, as stored."""
    return Image.open(io.BytesIO(photo), formats=["JPEG"]).size


def usable(path: Path) -> bool:
    """Whether there is a JPEG file with a header that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return data.startswith(BEGINNING) and _has_size(data)


def _has_size(photo: bytes) -> bool:
    try:
        return min(size_of(photo)) > 0
    except (OSError, SyntaxError, Image.DecompressionBombError):  # pillow's words for a broken header
        return False


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()
