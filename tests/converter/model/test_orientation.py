"""Pictures are turned as Pillow's `exif_transpose` turns them, as pixels and as files."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps

from converter.description import UINT8, Input
from converter.model import jpeg
from converter.model.jpeg import Undecodable
from converter.model.onnx_layout import Decode
from converter.model.orientation import Shown, turned, turned_files, turned_picture
from converter.model.pictures import prepare
from tests.support.converter import pictures

COLOURS = Decode(channels=3)
SIZE = (33, 31)
SMOOTH = pictures.jpeg(*SIZE, quality=30)  # without the noise, which no encoder keeps
ALL = range(1, 9)


def shown(orientation: int) -> Shown:
    return (*SIZE, orientation)


def difference(one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("orientation", ALL)
def test_pixels_are_turned_exactly(orientation: int) -> None:
    data = pictures.lying(SMOOTH, orientation)
    with PIL.Image.open(io.BytesIO(data)) as stored:
        truth = np.asarray(ImageOps.exif_transpose(stored))
        np.testing.assert_array_equal(turned(np.asarray(stored), orientation), truth)
        np.testing.assert_array_equal(np.asarray(turned_picture(stored, orientation)), truth)
    assert truth.shape[:2] == SIZE[::-1]
    prepared = prepare([data], [shown(orientation)], Input(name="pictures", kind=UINT8))
    assert prepared.placed[0].size == SIZE
    np.testing.assert_array_equal(prepared.values[0], turned(jpeg.decode(data, COLOURS), orientation))


@pytest.mark.parametrize("orientation", ALL)
def test_a_file_shows_afterwards_what_people_see(orientation: int) -> None:
    data = pictures.lying(SMOOTH, orientation)
    (again,) = turned_files([data], [shown(orientation)], None)
    if orientation == 1:
        assert again is data
    assert PIL.Image.open(io.BytesIO(again)).getexif().get(0x0112, 1) == 1
    assert difference(jpeg.decode(again, COLOURS), turned(jpeg.decode(data, COLOURS), orientation)) < 2


@pytest.mark.parametrize(
    "data",
    [
        pictures.jpeg(*SIZE, channels=1, quality=30),
        pictures.jpeg(*SIZE, channels=4, quality=30),
        pictures.adobe(pictures.jpeg(*SIZE, channels=4, quality=30), None),
        pictures.adobe(pictures.jpeg(*SIZE, channels=4, quality=30), 2),
        pictures.jpeg(*SIZE, quality=30, progressive=True),
        pictures.subsampled("411", *SIZE),
    ],
    ids=["grey", "CMYK", "CMYK without Adobe's segment", "YCCK", "progressive", "411"],
)
def test_every_kind_of_file_keeps_its_colours(data: bytes) -> None:
    (again,) = turned_files([data], [(SIZE[1], SIZE[0], 6)], None)
    assert jpeg.components(again) == jpeg.components(data)
    assert difference(jpeg.decode(again, COLOURS), turned(jpeg.decode(data, COLOURS), 6)) < 3


def test_only_what_lies_is_encoded_again_and_the_same_in_every_process() -> None:
    one, other = SMOOTH, pictures.jpeg(*SIZE, quality=80)
    with ThreadPoolExecutor(2) as pool:
        files = turned_files([one, one, other, one], [shown(3), SIZE, shown(1)], pool)
    assert files[1:3] == [one, other]
    assert files[0] == files[3] == turned_files([one], [shown(3)], None)[0] != one
    assert turned_files([one, one], [], None) == [one, one]


@pytest.mark.parametrize("data", [SMOOTH[:-40], SMOOTH[:200], b"\xff\xd8\xff\xd9"], ids=["cut", "a header", "nothing"])
def test_what_can_not_be_decoded_is_told(data: bytes) -> None:
    with pytest.raises(Undecodable):
        turned_files([data], [shown(2)], None)
