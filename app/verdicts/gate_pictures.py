"""The gate's pictures: those of a folder, or the packaged photos, small as they are and enlarged as a camera's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.backends.backend import Backend, BatchFailed
from app.errors import ServiceError
from app.images import Image, Intake
from app.lanes.quiet import Quiet
from converter.comparison import enlarging
from converter.contract import BadOptions
from converter.model import sampling
from converter.model.jpeg_segments import FRAMES, segments, sides_and_components
from converter.sizes import ENLARGED, SizeName, size_class

log = logging.getLogger(__name__)

# What a model, or its copy, says of a form of JPEG file that it does not take: others are compared.
_FORMS = ("colours", "undecodable", "unlike")
_USUAL = (0xC0, 3)  # baseline, in colours
_CMYK = 4  # components


@dataclass(frozen=True, slots=True)
class GatePicture:
    """A picture, and the name of the photo that it is of: variations of one photo are no different photos."""

    image: Image
    source: str


def pictures(folder: Path | None, intake: Intake, size: SizeName) -> Sequence[GatePicture]:
    """The gate's pictures of a size class, those left out that could not be detected in.

    BadOptions if none is left of any class. Of a large folder they are a sample, the same each time.
    """
    if folder is None:
        found = _checked(_packaged(size), intake)
        if not found and size == "small":
            raise BadOptions("the package has no picture that can be used")
        return found
    files = sampling.pictures(
        folder, most=sampling.MOST_COMPARED, most_bytes=sampling.MOST_COMPARED_BYTES, on_sample=_log_sample
    )
    found = [replace(each, source=each.image.digest) for each in _checked([("", data) for data in files], intake)]
    if not found:
        raise BadOptions(f"{folder} has no picture that can be used")
    return [each for each in found if size_class(each.image.pixels) == size]


async def usable(pictures: Sequence[GatePicture], backends: Sequence[Backend], quiet: Quiet) -> list[GatePicture]:
    """Those whose form of JPEG file (progressive, grey, CMYK) every backend takes, as one of each form tells."""
    refused = set()
    odd = {_form(each.image): each for each in pictures}
    for form in odd.keys() - {_USUAL}:
        picture = odd[form]
        try:
            async with quiet.moment():
                for backend in backends:
                    await backend.detect([picture.image])
        except BatchFailed as error:
            if error.kind not in _FORMS:
                raise
            log.warning("gate picture left out reason=%r", str(error))
            refused.add(form)
    return [each for each in pictures if _form(each.image) not in refused]


def timed(pictures: Sequence[GatePicture]) -> list[Image]:
    """Those on which backends are timed: all but CMYK files, if there are others.

    Cameras write none, and a copy that decodes them slower would seem slower, by chance of the draw, on all pictures.
    """
    usual = [each.image for each in pictures if _form(each.image)[1] < _CMYK]
    return usual or [each.image for each in pictures]


def _form(image: Image) -> tuple[int, int]:
    """The marker of the file's frame, which tells how it is coded, and the number of components."""
    for marker, start, _ in segments(image.data):
        if marker in FRAMES:
            return marker, sides_and_components(image.data, start)[2]
    return _USUAL


def _packaged(size: SizeName) -> list[tuple[str, bytes]]:
    if size in ENLARGED:
        return [(str(number), data) for number, data in enlarging.photos(ENLARGED[size])]
    return [(str(number), data) for number, data in sampling.packaged_with_variations()]


def _checked(files: Sequence[tuple[str, bytes]], intake: Intake) -> list[GatePicture]:
    found = []
    for source, data in files:
        try:
            found.append(GatePicture(intake.check(data), source))
        except ServiceError as error:
            log.warning("gate picture left out reason=%r", str(error))
    return found


def _log_sample(taken: int, there: int) -> None:
    log.info("gate pictures sampled taken=%d there=%d", taken, there)
