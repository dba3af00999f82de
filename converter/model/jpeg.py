"""JPEG files to pixels, bit for bit as TensorFlow's DecodeJpeg operation makes them, without TensorFlow.

Both use libjpeg-turbo, so the same discrete cosine transform, upsampling and scaling give the same bytes. What
TensorFlow adds to it (tensorflow/core/lib/jpeg/jpeg_mem.cc) is repeated here: its own way from CMYK to RGB, and that it
goes on where libjpeg only warns, but refuses a file that it has to read beyond the end of.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.model.jpeg_segments import (
    END_OF_IMAGE,
    FRAMES,
    START_OF_SCAN,
    bare,
    is_adobe,
    segments,
    sides_and_components,
)
from converter.model.onnx_layout import Decode

Pixels = NDArray[np.uint8]
Room = Callable[[int], Pixels | None]  # a place for so many bytes, which is filled again and again; None: there is none

_START = b"\xff\xd8"
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_REFUSED = frozenset({*range(0x02, 0xD0), 0xD8, *range(0xF0, 0xFE)}) - FRAMES - {0xC4, 0xCC}  # libjpeg ends at them
_ENDS_BADLY = _REFUSED | {START_OF_SCAN, END_OF_IMAGE}
_SMOOTHED = range(1, 10)  # frequencies that libjpeg estimates from their neighbours where they are not known
_MOST_SAMPLES = 1 << 29  # TensorFlow's limit
_CHANNELS = {"GRAY": 1, "RGB": 3, "CMYK": 4}
_METHODS = {"": True, "INTEGER_FAST": True, "INTEGER_ACCURATE": False}
# How libjpeg's warnings begin (jerror.h, JWRN_…); all else that it says is an error.
_PREMATURE = "Premature end of JPEG file"
_WARNINGS = (
    _PREMATURE,
    "Corrupt JPEG data",
    "Inconsistent progression",
    "Invalid SOS parameters",
    "Unknown Adobe color transform",
    "Warning",
    "tjDecompressHeader3(): Could not determine subsampling",  # not libjpeg's: a layout for which it has no name
)


class Undecodable(Exception):
    """TensorFlow's decoder refuses this file too; one sentence why."""


class NotReproducible(Exception):
    """It can't be told what TensorFlow's decoder would make of this; one sentence why."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a file's header says."""

    width: int
    height: int
    components: int
    progressive: bool
    adobe: bool  # it has Adobe's segment: CMYK is then stored inverted

    def scaled(self, ratio: int) -> tuple[int, int]:
        """Width and height of the picture at one in `ratio`, as libjpeg rounds them."""
        return -(-self.width // ratio), -(-self.height // ratio)


def check(wanted: Decode) -> None:
    """NotReproducible if files can't be decoded here as an operation with these attributes does it."""
    if wanted.channels not in (0, 1, 3):
        raise NotReproducible(f"DecodeJpeg makes pictures of 1 or 3 channels, not of {wanted.channels}")
    if wanted.ratio not in (1, 2, 4, 8):
        raise NotReproducible(f"DecodeJpeg scales by 1, 2, 4 or 8, not by {wanted.ratio}")
    if wanted.dct_method not in _METHODS:
        raise NotReproducible(f"DecodeJpeg knows no DCT method {wanted.dct_method!r}")
    if wanted.acceptable_fraction < 1 and not wanted.try_recover_truncated:
        raise NotReproducible(
            "DecodeJpeg with an acceptable fraction takes parts of truncated files, which is not done here"
        )


def components(data: bytes) -> int | None:
    """How many a JPEG file has by its header: 1 is grey, 3 colours, 4 CMYK; None if that can't be read."""
    try:
        return _frame(data).components
    except (Undecodable, NotReproducible):
        return None


def decode(data: bytes, wanted: Decode, room: Room = lambda size: None) -> Pixels:
    """The pixels (height, width, channels) of a JPEG file; Undecodable if TensorFlow would refuse it.

    `wanted` must have passed `check`. They are in the `room`, if it gives a place. NotReproducible if the file is no
    JPEG file, as other kinds that the operation takes too.
    """
    frame = _frame(data)
    target = _Target(_space(frame, wanted.channels), *frame.scaled(wanted.ratio), wanted, room)
    try:
        pixels = target.decoded(data, strict=True)
    except ValueError:
        data = bare(data)  # simplejpeg stops at stray bytes in a header, which libjpeg passes over
        try:
            pixels = target.decoded(data, strict=True)
        except ValueError as error:
            pixels = _forgiving(data, target, frame, str(error))
    if frame.progressive and not _complete(data):
        raise NotReproducible(
            "the file is progressive and lacks scans, which versions of libjpeg make up for in their own ways"
        )
    return _without_black(pixels, inverted=frame.adobe) if target.space == "CMYK" else pixels


@dataclass(frozen=True, slots=True)
class _Target:
    """What libjpeg is asked for."""

    space: str  # one of _CHANNELS
    width: int
    height: int
    wanted: Decode
    room: Room

    def decoded(self, data: bytes, *, strict: bool) -> Pixels:
        """The pixels; ValueError with libjpeg's complaint, of warnings too if `strict`."""
        import simplejpeg  # of an extra, and only what decodes here needs it

        pixels: Any = simplejpeg.decode_jpeg(
            data,
            self.space,
            fastdct=_METHODS[self.wanted.dct_method],
            fastupsample=not self.wanted.fancy_upscaling,
            min_height=self.height,
            min_width=self.width,
            buffer=self.room(self.width * self.height * _CHANNELS[self.space]),
            strict=strict,
        )
        return pixels  # type: ignore[no-any-return]  # simplejpeg has no types


def _forgiving(data: bytes, target: _Target, frame: _Frame, complaint: str) -> Pixels:
    """The pixels in spite of libjpeg's `complaint`, where TensorFlow goes on too: it was a warning."""
    if not complaint.startswith(_WARNINGS):
        raise Undecodable(f"Invalid JPEG data: {complaint}")
    if complaint.startswith(_PREMATURE) or not _has_an_end(data):
        if target.wanted.try_recover_truncated:
            raise NotReproducible("the file is truncated, and the graph asks to recover what is there")
        raise Undecodable("Invalid JPEG data: the file is truncated")
    if frame.progressive:
        raise NotReproducible(
            f"the file is progressive and damaged, and versions of libjpeg smooth it unlike: {complaint}"
        )
    try:
        return target.decoded(data, strict=False)
    except ValueError as error:
        raise NotReproducible(f"the file is damaged or of a rare kind: {error}") from error


def _space(frame: _Frame, channels: int) -> str:
    """The colours to ask libjpeg for."""
    if frame.width * frame.height * frame.components >= _MOST_SAMPLES:
        raise Undecodable("Invalid JPEG data: the picture is too large")
    match channels or min(frame.components, 3), frame.components:
        case 1, 1 | 3:
            return "GRAY"
        case 3, 4:
            return "CMYK"
        case 3, 1 | 3:
            return "RGB"
        case wanted, found:
            raise Undecodable(f"Invalid JPEG data: there is no way from {found} components to {wanted} channels")


def _without_black(inks: Pixels, *, inverted: bool) -> Pixels:
    """RGB from CMYK by TensorFlow's own arithmetic."""
    light = inks.astype(np.uint16) if inverted else 255 - inks.astype(np.uint16)
    return (light[..., 3:] * light[..., :3] // 255).astype(np.uint8)


def _frame(data: bytes) -> _Frame:
    """What the segments up to the first scan say."""
    _check_start(data)
    found: tuple[int, int, int, bool] | None = None
    adobe = False
    for marker, at, end in segments(data):
        adobe |= is_adobe(data, marker, at)
        if marker in FRAMES:
            found = (*_sides_and_components(data, at, end), marker in _PROGRESSIVE)
        elif marker == START_OF_SCAN and found:
            return _Frame(*found, adobe=adobe)
        elif marker in _ENDS_BADLY:
            break
    raise Undecodable("Invalid JPEG data: its header ends without a picture that can be decoded")


def _check_start(data: bytes) -> None:
    if not data.startswith(_START):
        raise NotReproducible("it does not begin as a JPEG file does")


def _sides_and_components(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Of a frame's segment: width, height and the number of components."""
    if len(names := data[at + 8 : end : 3]) > len(set(names)):
        raise NotReproducible("two of its components have one name")
    return sides_and_components(data, at)


def _has_an_end(data: bytes) -> bool:
    """Whether the end of the image is found by walking the segments: no decoder reads beyond it."""
    return any(marker == END_OF_IMAGE for marker, _, _ in segments(data))


def _complete(data: bytes) -> bool:
    """Whether a progressive file's scans refine the lowest frequencies of every component to the last bit.

    If not libjpeg smooths the picture (jdcoefct.c, smoothing_ok), and not all of its versions in one way.
    """
    missing: set[tuple[int, int]] = set()
    for marker, at, end in segments(data):
        if marker in _PROGRESSIVE:
            missing = _pairs(data[at + 8 : end : 3], _SMOOTHED)
        elif marker == END_OF_IMAGE:
            break
        elif marker == START_OF_SCAN:
            first, last, bits = data[end - 3 : end].rjust(3, b"\xff")  # cut off by the file's end, it refines nothing
            if not bits & 15:
                missing -= _pairs(data[at + 3 : end - 3 : 2], range(first, last + 1))
    return not missing


def _pairs(components: bytes, frequencies: range) -> set[tuple[int, int]]:
    return {(component, frequency) for component in components for frequency in frequencies}
