"""The photos that engines are built and models are warmed with."""

from io import BytesIO

import pytest
from PIL import Image

from converter import sampling


def test_the_packaged_photos_are_different_pictures_that_can_be_decoded() -> None:
    photos = sampling.packaged()
    assert len(set(photos)) == len(photos) >= 5
    for photo in photos:
        with Image.open(BytesIO(photo)) as image:
            assert image.format == "JPEG"
            image.load()


def test_they_come_in_the_same_order_each_time() -> None:
    assert sampling.packaged() == sampling.packaged()


@pytest.mark.parametrize(
    ("size", "photos"),
    [(0, []), (1, [b"a"]), (3, [b"a", b"b", b"c"]), (7, [b"a", b"b", b"c", b"a", b"b", b"c", b"a"])],
)
def test_a_batch_takes_the_photos_in_turn(size: int, photos: list[bytes]) -> None:
    assert sampling.batch([b"a", b"b", b"c"], size) == photos
